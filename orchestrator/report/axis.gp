# --- a metric against a scenario key; x is the key's value, or (of words) its place
width = 720
height = 420
set key outside right center reverse Left samplen 3
set offsets graph 0.04, graph 0.04, graph 0.03, graph 0.03
set xlabel x_label
set ylabel y_label
if (!numeric) { set xtics rotate by 20 right }
set xtics ()
do for [v=1:|value|] { set xtics add (plain(value[v]) place[v]) }
last = |policy|
# Points at the same place stand a little beside one another.
aside(p) = (p - 0.5 * (last + 1)) * 0.004 * (place[|value|] - place[1])
# The first policy is drawn last: it stays in sight where lines meet.
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    plot for [p=last:1:-1] data using (of(p) ? column('x') + aside(p) : NaN):'mean':'low':'high' \
             with yerrorbars lc rgb colour[p] dt 1 pt 0 notitle, \
         for [p=last:1:-1] data using (of(p) ? column('x') + aside(p) : NaN):'mean' \
             with linespoints lc rgb colour[p] dt dash[p] pt point[p] ps 0.7 lw 1.4 notitle, \
         for [p=1:last] keyentry with linespoints lc rgb colour[p] dt dash[p] pt point[p] ps 0.7 lw 1.4 title policy[p]
    unset output
}
