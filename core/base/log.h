/* Log lines for people, on stderr: "level topic text". Measurements go to the database, never here. The level
 * is the one piece of process-wide state, set once at start. Library rooms log at debug only. */
#ifndef HANDOFF_CORE_BASE_LOG_H
#define HANDOFF_CORE_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `program` is borrowed for the life of the process. */
void log_setup(const char *program, enum log_level level);

__attribute__((format(printf, 3, 4))) void log_write(enum log_level level, const char *topic,
                                                     const char *format, ...);

#define log_error(topic, ...) log_write(LOG_ERROR, topic, __VA_ARGS__)
#define log_warn(topic, ...) log_write(LOG_WARN, topic, __VA_ARGS__)
#define log_info(topic, ...) log_write(LOG_INFO, topic, __VA_ARGS__)
#define log_debug(topic, ...) log_write(LOG_DEBUG, topic, __VA_ARGS__)

#endif
