# --- a row of bars for each policy, a panel for each value of the axis
columns = columns_of(|value|)
rows = rows_of(|value|)
width = columns == 1 ? 640 : 360 * columns
height = (26.0 * |policy| + 60.0) * rows + 52
set key off
stats data using 'split' nooutput
set style fill solid 0.8 noborder
unset grid
set border 1 lc rgb '#444444'
set ytics scale 0
base(p) = |policy| - p
set yrange [-0.1 : |policy|]
end = STATS_max + 0.6
set xrange [-0.6 : 1.25 * end] # room for the shares behind the bars
set xtics border 0, 5, STATS_max
here(p, v) = of(p) && stringcolumn('value') eq value[v]
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 17, char 2, screen 74.0 / height, char 2.6 spacing char 4, char 5
    do for [v=1:|value|] {
        set title (|value| > 1 ? axis.' = '.value[v] : '')
        set xlabel (v > |value| - columns ? x_label : '')
        set ytics ('' 0)
        if ((v - 1) % columns == 0) { do for [p=1:|policy|] { set ytics add (plain(policy[p]) base(p) + 0.35) } }
        plot for [p=1:|policy|] data \
                 using (here(p, v) ? column('split') : NaN):(base(p)):(column('split') - 0.4):(column('split') + 0.4):(base(p)):(base(p) + 0.8 * column('height')) \
                 with boxxyerror lc rgb colour[p], \
             for [p=1:|policy|] base(p) lw 0.5 lc rgb '#aaaaaa', \
             for [p=1:|policy|] data \
                 using (here(p, v) && column('highest') == 1 ? end : NaN):(base(p) + 0.3):(sprintf('%.0f %% at %d', 100 * column('share'), column('split'))) \
                 with labels left textcolor rgb '#555555'
    }
    unset multiplot
    unset output
}
