# --- devices of each server, stacked for each policy, a panel for each value of the axis
array shade[7] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
stats data using 'server' nooutput
servers = int(STATS_max) + 1
columns = columns_of(|value|)
rows = rows_of(|value|)
width = columns == 1 ? 640 : 330 * columns
names = 90.0
legend = legend_height_of(servers + 1, width)
height = (columns == 1 ? 300 + names : (200 + names) * rows) + 20 + legend
set key noautotitle
set style fill solid 0.85 noborder
set xrange [0.4 : |policy| + 0.6]
set yrange [0:*]
set xtics rotate by 40 right scale 0
set xtics ()
do for [p=1:|policy|] { set xtics add (plain(policy[p]) p) }
here(p, v, m) = of(p) && stringcolumn('value') eq value[v] && column('server') == m
colour_of(m) = m < 0 ? '#bbbbbb' : shade[m % 7 + 1]
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 10.5, char 2, screen (names + legend) / height, char 2.6 spacing char 8, screen (names + 30.0) / height
    do for [v=1:|value|] {
        set title (|value| > 1 ? axis.' = '.value[v] : '')
        set ylabel ((v - 1) % columns == 0 ? y_label : '')
        if (v == 1) {
            set key at screen 0.5, screen legend / height center top vertical \
                maxrows legend_rows_of(servers + 1, width) reverse Left samplen 1.5 width -2
        } else { unset key }
        plot for [m=-1:servers-1] for [p=1:|policy|] data \
                 using (here(p, v, m) ? p : NaN):'low':(p - 0.35):(p + 0.35):'low':'high' \
                 with boxxyerror lc rgb colour_of(m), \
             for [m=-1:servers-1] keyentry with boxes lc rgb colour_of(m) title (m < 0 ? 'no server' : sprintf('server %d', m))
    }
    unset multiplot
    unset output
}
