# --- returns of single episodes as violins, a panel for each value of the axis
columns = columns_of(|value|)
rows = rows_of(|value|)
width = columns == 1 ? 640 : 330 * columns
names = 90.0
height = (columns == 1 ? 300 + names : (200 + names) * rows) + 20
set key off
set style fill transparent solid 0.45 border
set xrange [0.4 : |policy| + 0.6]
set xtics rotate by 40 right scale 0
set xtics ()
do for [p=1:|policy|] { set xtics add (plain(policy[p]) p) }
set offsets 0, 0, graph 0.03, graph 0.03
here(p, v, row) = of(p) && stringcolumn('value') eq value[v] && stringcolumn('row') eq row
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 10.5, char 2, screen names / height, char 2.6 spacing char 8, screen (names + 30.0) / height
    do for [v=1:|value|] {
        set title (|value| > 1 ? axis.' = '.value[v] : '')
        set ylabel ((v - 1) % columns == 0 ? y_label : '')
        array q1[|policy|]
        array q3[|policy|]
        do for [p=1:|policy|] {
            undefine STATS_*
            stats data using (here(p, v, 'q1') ? column('return') : NaN) nooutput
            q1[p] = exists('STATS_min') ? STATS_min : NaN
            undefine STATS_*
            stats data using (here(p, v, 'q3') ? column('return') : NaN) nooutput
            q3[p] = exists('STATS_min') ? STATS_min : NaN
        }
        plot for [p=1:|policy|] data using (here(p, v, 'density') ? p + column('width') : NaN):'return' \
                 with filledcurves closed lc rgb colour[p] lw 0.8, \
             for [p=1:|policy|] data using (here(p, v, 'median') ? p : NaN):'return':(p - 0.04):(p + 0.04):(q1[p]):(q3[p]) \
                 with boxxyerror lc rgb '#333333' fs solid 1.0 noborder, \
             for [p=1:|policy|] data using (here(p, v, 'mean') ? p : NaN):'return' with points pt 12 ps 0.8 lc rgb '#000000', \
             for [p=1:|policy|] data using (here(p, v, 'median') ? p : NaN):'return' with points pt 7 ps 0.6 lc rgb '#000000', \
             for [p=1:|policy|] data using (here(p, v, 'median') ? p : NaN):'return' with points pt 7 ps 0.45 lc rgb '#ffffff'
    }
    unset multiplot
    unset output
}
