#include "orchestrator/policy/adaptive/shadow_price.h"

#include <math.h>
#include <string.h>

void shadow_price_begin(struct shadow_price *prices, double rate)
{
    prices->rate = rate;
    memset(prices->price, 0, sizeof prices->price);
}

double shadow_price_of(const struct shadow_price *prices, uint32_t server, double shares, double held_s)
{
    return prices->price[server] * shares * held_s;
}

void shadow_price_meet(struct shadow_price *prices, uint32_t server, bool is_full, double missed,
                       double held_s)
{
    double of_second = is_full && held_s > 0.0 ? fmax(missed, 0.0) / held_s : 0.0;
    prices->price[server] += prices->rate * (of_second - prices->price[server]);
}
