# --- splits against the channel's condition, a panel for each policy
columns = columns_of(|policy|)
rows = rows_of(|policy|)
width = columns == 1 ? 640 : 350 * columns
height = (rows == 1 ? 342 : 300 * rows) + 32
set key off
set offsets 0, 0, 0.6, 0.6
set autoscale fix
here(p, row) = of(p) && stringcolumn('row') eq row
faint(c) = '#B0'.c[2:*]
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 8.5, char 3, screen 74.0 / height, char 5.4 spacing char 8, char 8
    do for [p=1:|policy|] {
        set title policy[p]."\n".slope[p]."\n".r2[p] font ',10' offset 0, -0.6
        set xlabel (p > |policy| - columns ? x_label : '')
        set ylabel ((p - 1) % columns == 0 ? y_label : '')
        plot data using (here(p, 'task') ? column('channel') : NaN):'split' with points pt 7 ps 0.35 lc rgb faint(colour[p]), \
             data using (here(p, 'line') ? column('channel') : NaN):'split' with lines lc rgb '#555555' dt 2 lw 1.4, \
             data using (here(p, 'loess') ? column('channel') : NaN):'split' with lines lc rgb '#000000' lw 1.8
    }
    unset multiplot
    unset output
}
