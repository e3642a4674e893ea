# --- curves with their 95 % bands (of learners), a panel for each value of the axis
columns = columns_of(|value|)
rows = rows_of(|value|)
width = columns == 1 ? 640 : 330 * columns
legend = legend_height_of(|policy|, width)
height = (rows == 1 ? 362 : 260 * rows + 32) + legend
last = |policy|
set key noautotitle
if (x_log) {
    set logscale x
    set xtics ()
    do for [power=0:9] {
        do for [digit in '1 2 5'] {
            at = digit * 10.0**power
            set xtics add (sprintf('%.0f', at) at)
        }
    }
}
# The y axis is logarithmic and ends at y_floor; 0: it is not.
if (y_floor > 0) {
    set logscale y
    set format y '%g'
}
y(name) = y_floor > 0 && column(name) < y_floor ? y_floor : column(name)
set offsets 0, 0, graph 0.03, graph 0.03
set autoscale fix
set style fill transparent solid 0.18 noborder
if (!x_log) {
    stats data using 'x' nooutput
    set xtics tics_of(STATS_max)
}
here(p, v) = of(p) && stringcolumn('value') eq value[v]
# Where a panel ends below: what lies further off than 1.5 times the middle half of the means' range is cut off (Tukey's fence).
# Where `fenced` is 0 nothing is. A panel without a curve has axes alone.
array fence[|value|]
array empty[|value|]
do for [v=1:|value|] {
    undefine STATS_*
    stats data using (stringcolumn('value') eq value[v] ? column('mean') : NaN) nooutput
    fence[v] = exists('STATS_lo_quartile') ? STATS_lo_quartile - 1.5 * (STATS_up_quartile - STATS_lo_quartile) : NaN
    empty[v] = !exists('STATS_records') || STATS_records == 0
    undefine STATS_*
    stats data using (stringcolumn('value') eq value[v] ? column('low') : NaN) nooutput
    fence[v] = fenced && y_floor == 0 && exists('STATS_min') && STATS_min < fence[v] ? fence[v] : NaN
}
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 10.5, char 3, screen (legend + 74.0) / height, char 2.6 spacing char 9, char 5
    do for [v=1:|value|] {
        set title (|value| > 1 ? axis.' = '.value[v] : '')
        set xlabel (v > |value| - columns ? x_label : '')
        set ylabel ((v - 1) % columns == 0 ? y_label : '')
        if (v == 1) {
            set key at screen 0.5, screen legend / height center top vertical \
                maxrows legend_rows_of(|policy|, width) reverse Left samplen 2.2 width -1
        } else { unset key }
        if (empty[v]) { set xrange [1:2] } else { set xrange [*:*] }
        if (empty[v]) { set yrange [1:2] } else { if (fence[v] == fence[v]) { set yrange [fence[v]:*] } else { set yrange [*:*] } }
        plot for [p=last:1:-1] data using (learns[p] && here(p, v) ? column('x') : NaN):(y('low')):(y('high')) \
                 with filledcurves lc rgb colour[p], \
             for [p=last:1:-1] data using (here(p, v) ? column('x') : NaN):(y('mean')) \
                 with lines lc rgb colour[p] dt dash[p] lw 1.5, \
             for [p=1:last] keyentry with lines lc rgb colour[p] dt dash[p] lw 1.5 title policy[p]
    }
    unset multiplot
    unset output
}
