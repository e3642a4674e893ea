#include "db/sql.h"

#include <string.h>

const char *sql_find_query(const char *name)
{
    for (size_t i = 0; i < sql_queries_count; i++)
        if (strcmp(sql_queries[i].name, name) == 0)
            return sql_queries[i].text;
    return NULL;
}
