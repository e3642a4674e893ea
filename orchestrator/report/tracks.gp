# --- where devices went, coloured by their server
width = 640
height = 560
array shade[7] = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000']
stats data using 'server' nooutput
servers = int(STATS_max) + 1
is(kind) = stringcolumn('node') eq kind
set key outside right center reverse Left samplen 1
set size ratio -1
set xlabel 'east (m)'
set ylabel 'north (m)'
set grid xtics ytics lt 1 lw 0.6 lc rgb '#dddddd'
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    plot data using (is('device') ? column('x_m') : NaN):'y_m' with lines lc rgb '#bbbbbb' lw 0.6 notitle, \
         data using (is('device') && column('server') < 0 ? column('x_m') : NaN):'y_m' \
             with points pt 7 ps 0.35 lc rgb '#999999' notitle, \
         for [m=0:servers-1] data using (is('device') && column('server') == m ? column('x_m') : NaN):'y_m' \
             with points pt 7 ps 0.35 lc rgb shade[m % 7 + 1] notitle, \
         for [m=0:servers-1] data using (is('server') && column('server') == m ? column('x_m') : NaN):'y_m' \
             with points pt 5 ps 1.5 lc rgb shade[m % 7 + 1] notitle, \
         for [m=0:servers-1] keyentry with points pt 5 ps 1.2 lc rgb shade[m % 7 + 1] title sprintf('server %d', m), \
         keyentry with points pt 7 ps 0.8 lc rgb '#999999' title 'no server'
    unset output
}
