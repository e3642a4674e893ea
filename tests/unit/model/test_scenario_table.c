/* What is done with any table of keys, with two small parts. */
#include "core/model/scenario_table.h"

#include <stdio.h>

#include "check.h"
#include "core/base/err.h"

/* One room's part: a lamp and its switch. */
struct lamp_settings {
    struct {
        double power_w;
        uint64_t bulbs;
    } lamp;
    struct {
        char label[9];
    } plug;
    uint64_t shelves_count;
    struct shelf {
        char label[9];
        uint64_t books;
    } shelves[2];
};

/* Another's: a fan, which may not draw more than the lamp. */
struct fan_settings {
    struct {
        unsigned speed;
        double power_w;
    } fan;
};

struct house {
    struct lamp_settings lamp;
    struct fan_settings fan;
};

static const char *const speed_words[] = {"slow", "fast", NULL};

static const struct scenario_row lamp_rows[] = {
    {.key = "power_w",
     .kind = SCENARIO_REAL,
     .unit = "W",
     .offset = offsetof(struct lamp_settings, lamp.power_w),
     .real_min = 1.0,
     .real_max = 100.0,
     .real_default = 40.0,
     .meaning = "power",
     .source = "house"},
    {.key = "bulbs",
     .kind = SCENARIO_INT,
     .unit = "bulbs",
     .offset = offsetof(struct lamp_settings, lamp.bulbs),
     .int_min = 1,
     .int_max = 9,
     .int_default = 2,
     .meaning = "how many",
     .source = "house"},
};
static const struct scenario_row plug_rows[] = {
    {.key = "label",
     .kind = SCENARIO_TEXT,
     .unit = "",
     .offset = offsetof(struct lamp_settings, plug.label),
     .text_max = 8,
     .text_default = "a \"b\"",
     .meaning = "what stands on it",
     .source = "house"},
};
static const struct scenario_row fan_rows[] = {
    {.key = "speed",
     .kind = SCENARIO_WORD,
     .unit = "",
     .offset = offsetof(struct fan_settings, fan.speed),
     .words = speed_words,
     .word_default = 1,
     .meaning = "how fast",
     .source = "house"},
    {.key = "power_w",
     .kind = SCENARIO_REAL,
     .unit = "W",
     .offset = offsetof(struct fan_settings, fan.power_w),
     .real_min = 0.0,
     .real_max = 1000.0,
     .real_default = 30.5,
     .meaning = "power",
     .source = "house"},
};

static const struct scenario_row shelf_rows[] = {
    {.key = "label",
     .kind = SCENARIO_TEXT,
     .unit = "",
     .offset = offsetof(struct lamp_settings, shelves[0].label),
     .text_max = 8,
     .text_default = "",
     .meaning = "what stands on it",
     .source = "house"},
    {.key = "books",
     .kind = SCENARIO_INT,
     .unit = "books",
     .offset = offsetof(struct lamp_settings, shelves[0].books),
     .int_min = 0,
     .int_max = 99,
     .int_default = 10,
     .meaning = "how many",
     .source = "house"},
};

static const struct scenario_section lamp_sections[] = {
    {.name = "lamp", .row = lamp_rows, .rows = 2},
    {.name = "plug", .row = plug_rows, .rows = 1},
    {.name = "shelves",
     .row = shelf_rows,
     .rows = 2,
     .most = 2,
     .stride = sizeof(struct shelf),
     .count = offsetof(struct lamp_settings, shelves_count)},
};
static const struct scenario_section fan_sections[] = {{.name = "fan", .row = fan_rows, .rows = 2}};

static int check_lamp(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct lamp_settings *own = settings;
    (void) whole;
    return own->lamp.bulbs > 5 && own->lamp.power_w > 50.0
               ? diag_fail(diag, ERR_RANGE, "lamp.power_w: %g is too much for %u bulbs", own->lamp.power_w,
                           (unsigned) own->lamp.bulbs)
               : 0;
}

static const struct scenario_part lamp_part = {lamp_sections, 3, check_lamp};

/* Looks at its neighbour where there is one. */
static int check_fan(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct fan_settings *own = settings;
    const struct lamp_settings *lamp = scenario_values_part(whole, &lamp_part);
    return lamp != NULL && own->fan.power_w > lamp->lamp.power_w
               ? diag_fail(diag, ERR_RANGE, "fan.power_w: %g is above lamp.power_w, %g W", own->fan.power_w,
                           lamp->lamp.power_w)
               : 0;
}

static const struct scenario_part fan_part = {fan_sections, 1, check_fan};

static const struct scenario_member both[] = {{&lamp_part, offsetof(struct house, lamp)},
                                              {&fan_part, offsetof(struct house, fan)}};
static const struct scenario_member one[] = {{&fan_part, 0}};
static const char *const fan_between[] = {"lamp", "fan", NULL};

static const struct scenario_table house_table = {both, 2, sizeof(struct house), NULL};
static const struct scenario_table ordered_table = {both, 2, sizeof(struct house), fan_between};
static const struct scenario_table fan_table = {one, 1, sizeof(struct fan_settings), NULL};

static int read_house(struct house *ret, const char *text, struct diag *diag)
{
    scenario_table_defaults(&house_table, ret);
    *diag = (struct diag){{0}};
    return scenario_table_read(&house_table, ret, &(struct scenario_text){text, strlen(text), "x"}, diag);
}

static void assert_refused(const char *text, int code, const char *message)
{
    struct house house, defaults;
    struct diag diag;
    int rc = read_house(&house, text, &diag);
    assert_string_equal(diag.text, message);
    assert_int_equal(rc, code);
    scenario_table_defaults(&house_table, &defaults);
    assert_memory_equal(&house, &defaults, sizeof house);
}

static void assert_printed(const struct scenario_table *table, const char *expected)
{
    struct house house;
    struct buf text = {0};
    scenario_table_defaults(table, &house);
    assert_int_equal(scenario_table_print(table, &house, &text), 0);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
    buf_finish(&text);
}

static void each_part_fills_its_own_struct(void **state)
{
    (void) state;
    struct house house;
    struct diag diag;
    assert_int_equal(read_house(&house, "fan: {speed: slow, power_w: 7}\nlamp:\n  bulbs: 3\n", &diag), 0);
    assert_int_equal(house.fan.fan.speed, 0);
    assert_same(house.fan.fan.power_w, 7.0);
    assert_int_equal(house.lamp.lamp.bulbs, 3);
    assert_same(house.lamp.lamp.power_w, 40.0);
    assert_string_equal(house.lamp.plug.label, "a \"b\"");
    assert_int_equal(scenario_table_set(&house_table, &house, "plug.label=new", NULL), 0);
    assert_string_equal(house.lamp.plug.label, "new");
}

static void an_unknown_section_is_named_with_the_nearest_of_all_parts(void **state)
{
    (void) state;
    struct house house;
    struct diag diag = {{0}};
    assert_refused("fun:\n  speed: slow\n", ERR_UNKNOWN, "x:1: fun: unknown section, the nearest is 'fan'");
    assert_refused("lamp:\n  bulb: 3\n", ERR_UNKNOWN, "x:2: lamp.bulb: unknown key, the nearest is 'bulbs'");
    scenario_table_defaults(&house_table, &house);
    assert_int_equal(scenario_table_set(&house_table, &house, "plugs.label=x", &diag), ERR_UNKNOWN);
    assert_string_equal(diag.text, "plugs: unknown section, the nearest is 'plug'");
}

static void a_table_refuses_the_sections_of_a_part_that_it_does_not_have(void **state)
{
    (void) state;
    static const char text[] = "fan:\n  speed: slow\nlamp:\n  bulbs: 3\n";
    struct fan_settings fan, defaults;
    struct diag diag = {{0}};
    scenario_table_defaults(&fan_table, &fan);
    scenario_table_defaults(&fan_table, &defaults);
    assert_int_equal(
        scenario_table_read(&fan_table, &fan, &(struct scenario_text){text, sizeof text - 1, "x"}, &diag),
        ERR_UNKNOWN);
    assert_string_equal(diag.text, "x:3: lamp: unknown section, the nearest is 'fan'");
    assert_memory_equal(&fan, &defaults, sizeof fan);
}

static void the_same_key_may_stand_in_two_sections_once_each(void **state)
{
    (void) state;
    struct house house;
    struct diag diag;
    assert_int_equal(read_house(&house, "lamp:\n  power_w: 50\nfan:\n  power_w: 45\n", &diag), 0);
    assert_same(house.lamp.lamp.power_w, 50.0);
    assert_same(house.fan.fan.power_w, 45.0);
    assert_refused("fan:\n  power_w: 1\n  power_w: 2\n", ERR_DUPLICATE, "x:3: fan.power_w: given twice");
    assert_refused("fan:\nlamp:\nfan:\n", ERR_DUPLICATE, "x:3: fan: section given twice");
}

static void each_part_checks_its_own_keys_and_may_look_at_its_neighbours(void **state)
{
    (void) state;
    struct fan_settings fan;
    assert_refused("lamp:\n  bulbs: 6\n  power_w: 51\n", ERR_RANGE,
                   "x: lamp.power_w: 51 is too much for 6 bulbs");
    assert_refused("fan:\n  power_w: 41\n", ERR_RANGE, "x: fan.power_w: 41 is above lamp.power_w, 40 W");
    scenario_table_defaults(&fan_table, &fan);
    fan.fan.power_w = 41.0;
    assert_int_equal(scenario_table_check(&fan_table, &fan, NULL), 0); /* nobody is there to look at */
}

static void sections_stand_in_the_tables_order_and_unnamed_ones_behind(void **state)
{
    (void) state;
#define LAMP "lamp:\n  power_w: 40\n  bulbs: 2\n"
#define PLUG "plug:\n  label: \"a \\\"b\\\"\"\n"
#define FAN "fan:\n  speed: fast\n  power_w: 30.5\n"
    assert_printed(&house_table, LAMP PLUG FAN);
    assert_printed(&ordered_table, LAMP FAN PLUG);
}

static void keys_are_listed_in_the_same_order(void **state)
{
    (void) state;
    static const char *const expected[] = {"lamp.power_w 1 to 100 W 40",
                                           "lamp.bulbs 1 to 9 bulbs 2",
                                           "fan.speed slow or fast fast",
                                           "fan.power_w 0 to 1000 W 30.5",
                                           "plug.label at most 8 bytes \"a \\\"b\\\"\"",
                                           "shelves.label at most 8 bytes \"\"",
                                           "shelves.books 0 to 99 books 10"};
    assert_int_equal(scenario_table_key_count(&ordered_table), 7);
    for (size_t i = 0; i < 7; i++) {
        struct scenario_key key;
        char range[128], value[64], line[256];
        scenario_table_key_at(&ordered_table, i, &key, range, value);
        (void) snprintf(line, sizeof line, "%s.%s %s %s", key.section, key.key, key.range, key.default_text);
        assert_string_equal(line, expected[i]);
        assert_int_equal(key.in_list, i >= 5);
    }
}

static void a_list_has_as_many_entries_as_the_text_and_each_its_own_defaults(void **state)
{
    (void) state;
    struct house house, again;
    struct diag diag;
    struct buf text = {0};
    assert_int_equal(read_house(&house, "shelves:\n  - {label: top}\n  - label: low\n    books: 3\n", &diag),
                     0);
    assert_int_equal(house.lamp.shelves_count, 2);
    assert_string_equal(house.lamp.shelves[0].label, "top");
    assert_int_equal(house.lamp.shelves[0].books, 10);
    assert_int_equal(house.lamp.shelves[1].books, 3);
    assert_int_equal(scenario_table_print(&house_table, &house, &text), 0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    assert_non_null(
        strstr((const char *) text.data,
               "shelves:\n  - label: \"top\"\n    books: 10\n  - label: \"low\"\n    books: 3\n"));
    assert_int_equal(read_house(&again, (const char *) text.data, &diag), 0);
    assert_memory_equal(&house, &again, sizeof house);
    buf_finish(&text);
    static const char shorter[] = "shelves: [{label: one}]\n";
    assert_int_equal(scenario_table_read(&house_table, &house,
                                         &(struct scenario_text){shorter, sizeof shorter - 1, "x"}, &diag),
                     0);
    assert_int_equal(house.lamp.shelves_count, 1); /* in place of the two */
    static const char none[] = "shelves: []\n";
    assert_int_equal(
        scenario_table_read(&house_table, &house, &(struct scenario_text){none, sizeof none - 1, "x"}, &diag),
        0);
    assert_int_equal(house.lamp.shelves_count, 0);
}

static void an_entry_is_set_by_its_name_or_its_number(void **state)
{
    (void) state;
    struct house house;
    struct diag diag;
    assert_int_equal(read_house(&house, "shelves: [{label: top}, {label: low}]\n", &diag), 0);
    assert_int_equal(scenario_table_set(&house_table, &house, "shelves.low.books=4", &diag), 0);
    assert_int_equal(scenario_table_set(&house_table, &house, "shelves.1.books=5", &diag), 0);
    assert_int_equal(house.lamp.shelves[0].books, 5);
    assert_int_equal(house.lamp.shelves[1].books, 4);
    static const struct {
        const char *assignment;
        int code;
        const char *message;
    } refused[] = {
        {"shelves.books=4", ERR_SYNTAX,
         "shelves.books: expected shelves.NAME.key=value, the name of one of its entries"},
        {"shelves.mid.books=4", ERR_UNKNOWN, "shelves.mid: there is no such entry, allowed a name or 1 to 2"},
        {"shelves.3.books=4", ERR_UNKNOWN, "shelves.3: there is no such entry, allowed a name or 1 to 2"},
        {"shelves.low.book=4", ERR_UNKNOWN, "shelves.book: unknown key, the nearest is 'books'"},
        {"shelves.low.books=100", ERR_RANGE, "shelves.low.books: 100 is out of range, allowed 0 to 99 books"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        diag = (struct diag){{0}};
        assert_int_equal(scenario_table_set(&house_table, &house, refused[i].assignment, &diag),
                         refused[i].code);
        assert_string_equal(diag.text, refused[i].message);
    }
    diag = (struct diag){{0}};
    scenario_table_defaults(&house_table, &house);
    assert_int_equal(scenario_table_set(&house_table, &house, "shelves.top.books=1", &diag), ERR_UNKNOWN);
    assert_string_equal(diag.text, "shelves.top: the scenario has no shelves");
}

static void a_malformed_list_is_refused_with_its_line_and_its_entry(void **state)
{
    (void) state;
    assert_refused("shelves: 3\n", ERR_TYPE,
                   "x:1: shelves: expected a list, each entry a dash and its `key: value` lines");
    assert_refused("shelves: {label: top}\n", ERR_TYPE,
                   "x:1: shelves: expected a list, each entry a dash and its `key: value` lines");
    assert_refused("shelves:\n  - top\n", ERR_TYPE,
                   "x:2: shelves[1]: expected a section of `key: value` lines");
    assert_refused("shelves:\n  - [a]\n", ERR_TYPE,
                   "x:2: shelves[1]: expected a section of `key: value` lines");
    assert_refused("shelves:\n  - label: a\n  - book: 3\n", ERR_UNKNOWN,
                   "x:3: shelves[2].book: unknown key, the nearest is 'books'");
    assert_refused("shelves:\n  - books: 3\n    books: 4\n", ERR_DUPLICATE,
                   "x:3: shelves[1].books: given twice");
    assert_refused("shelves:\n  - books: x\n", ERR_SYNTAX,
                   "x:2: shelves[1].books: 'x' is not a whole number, allowed 0 to 99 books");
    assert_refused("shelves: [{}, {}, {}]\n", ERR_TOO_BIG,
                   "x:1: shelves[3]: too many entries, allowed at most 2");
    assert_refused("shelves: []\nshelves: []\n", ERR_DUPLICATE, "x:2: shelves: section given twice");
}

static void a_part_is_found_in_the_tables_that_have_it(void **state)
{
    (void) state;
    struct house house;
    struct fan_settings fan;
    assert_ptr_equal(scenario_values_part((struct scenario_values){&house_table, &house}, &fan_part),
                     &house.fan);
    assert_ptr_equal(scenario_values_part((struct scenario_values){&fan_table, &fan}, &fan_part), &fan);
    assert_null(scenario_values_part((struct scenario_values){&fan_table, &fan}, &lamp_part));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_fills_its_own_struct),
        cmocka_unit_test(a_list_has_as_many_entries_as_the_text_and_each_its_own_defaults),
        cmocka_unit_test(an_entry_is_set_by_its_name_or_its_number),
        cmocka_unit_test(a_malformed_list_is_refused_with_its_line_and_its_entry),
        cmocka_unit_test(an_unknown_section_is_named_with_the_nearest_of_all_parts),
        cmocka_unit_test(a_table_refuses_the_sections_of_a_part_that_it_does_not_have),
        cmocka_unit_test(the_same_key_may_stand_in_two_sections_once_each),
        cmocka_unit_test(each_part_checks_its_own_keys_and_may_look_at_its_neighbours),
        cmocka_unit_test(sections_stand_in_the_tables_order_and_unnamed_ones_behind),
        cmocka_unit_test(keys_are_listed_in_the_same_order),
        cmocka_unit_test(a_part_is_found_in_the_tables_that_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
