#include "core/base/text_markup.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* How many bytes the UTF-8 character has that begins here (RFC 3629); 0: none begins here. */
static size_t character_size(const char *from)
{
    const unsigned char *c = (const unsigned char *) from;
    if (c[0] < 0x80)
        return 1;
    size_t size = c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : c[0] >= 0xe0 && c[0] < 0xf0 ? 3 : 4;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool beyond = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f);
    bool none = c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe; /* U+FFFE, U+FFFF: not in XML */
    return overlong || beyond || none ? 0 : size;
}

static bool is_control(const char *from)
{
    unsigned char c = (unsigned char) *from;
    return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char) from[1] < 0xa0);
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

int text_markup_html(struct buf *text, const char *from)
{
    int rc = buf_printf(text, "%s", ""); /* a zero byte follows even nothing */
    while (*from != '\0' && rc == 0) {
        size_t size = character_size(from);
        bool stays = size > 0 && (*from == '\t' || *from == '\n' || !is_control(from));
        const char *entity = entity_of(*from);
        if (entity != NULL)
            rc = buf_printf(text, "%s", entity);
        else
            rc = stays ? buf_printf(text, "%.*s", (int) size, from) : buf_printf(text, "?");
        from += size > 0 ? size : 1;
    }
    return rc;
}

/* What replaces a character that gnuplot cannot read in a CSV file or an array; NULL: nothing has to. */
static const char *stand_in(char character)
{
    switch (character) {
    case '"':
    case '\'': return "\xe2\x80\x99"; /* U+2019 */
    case ',': return "/";
    default: return NULL;
    }
}

static int print_line(struct buf *text, const char *from, bool label)
{
    int rc = buf_printf(text, "%s", "");
    while (*from != '\0' && rc == 0) {
        size_t size = character_size(from);
        if (label && stand_in(*from) != NULL)
            rc = buf_printf(text, "%s", stand_in(*from));
        else
            rc = size > 0 && !is_control(from) ? buf_printf(text, "%.*s", (int) size, from)
                                               : buf_printf(text, "?");
        from += size > 0 ? size : 1;
    }
    return rc;
}

int text_markup_line(struct buf *text, const char *from)
{
    return print_line(text, from, false);
}

int text_markup_label(struct buf *text, const char *from)
{
    return print_line(text, from, true);
}

int text_markup_quoted(struct buf *text, const char *from)
{
    int rc = buf_printf(text, "'");
    if (rc == 0)
        rc = text_markup_label(text, from);
    return rc == 0 ? buf_printf(text, "'") : rc;
}

int text_markup_field(struct buf *text, const char *from)
{
    struct buf label = {0};
    int rc = text_markup_label(&label, from);
    bool quoted = rc == 0 && strpbrk((const char *) label.data, " #") != NULL;
    if (rc == 0)
        rc = quoted ? buf_printf(text, "\"%s\"", (const char *) label.data)
                    : buf_printf(text, "%s", (const char *) label.data);
    buf_finish(&label);
    return rc;
}

void text_markup_slug(char *ret_slug, size_t size, const char *from)
{
    size_t used = 0;
    assert(size > 0);
    for (; *from != '\0' && used + 1 < size; from++) {
        char c = *from >= 'A' && *from <= 'Z' ? (char) (*from - 'A' + 'a') : *from;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            ret_slug[used++] = c;
        else if (used > 0 && ret_slug[used - 1] != '-')
            ret_slug[used++] = '-';
    }
    while (used > 0 && ret_slug[used - 1] == '-')
        used--;
    ret_slug[used] = '\0';
}
