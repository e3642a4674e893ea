# --- training curves, a panel for each learner, a curve with its 95 % band for each value of a setting
array shade[7] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
columns = columns_of(|policy|)
rows = rows_of(|policy|)
width = columns == 1 ? 640 : 330 * columns
legend = legend_height_of(|value|, width)
height = (rows == 1 ? 362 : 260 * rows + 32) + legend
last = |value|
set key noautotitle
set offsets 0, 0, graph 0.03, graph 0.03
set autoscale fix
set style fill transparent solid 0.12 noborder
stats data using 'x' nooutput
set xtics tics_of(STATS_max)
here(p, v) = of(p) && stringcolumn('value') eq value[v]
shade_of(v) = shade[(v - 1) % 7 + 1]
dash_of(v) = (v - 1) / 7 + 1
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 10.5, char 3, screen (legend + 74.0) / height, char 2.6 spacing char 9, char 5
    do for [p=1:|policy|] {
        set title policy[p]
        set xlabel (p > |policy| - columns ? x_label : '')
        set ylabel ((p - 1) % columns == 0 ? y_label : '')
        if (p == 1) {
            set key at screen 0.5, screen legend / height center top vertical \
                maxrows legend_rows_of(|value|, width) reverse Left samplen 2.2 width -1
        } else { unset key }
        undefine STATS_*
        stats data using (of(p) ? column('mean') : NaN) nooutput
        if (!exists('STATS_records') || STATS_records == 0) {
            set xrange [1:2]
            set yrange [1:2]
        } else {
            set xrange [*:*]
            set yrange [*:*]
        }
        plot for [v=last:1:-1] data using (here(p, v) ? column('x') : NaN):'low':'high' \
                 with filledcurves lc rgb shade_of(v), \
             for [v=last:1:-1] data using (here(p, v) ? column('x') : NaN):'mean' \
                 with lines lc rgb shade_of(v) dt dash_of(v) lw 1.5, \
             for [v=1:last] keyentry with lines lc rgb shade_of(v) dt dash_of(v) lw 1.5 title axis.' = '.value[v]
    }
    unset multiplot
    unset output
}
