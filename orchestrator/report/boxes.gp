# --- latencies of single tasks as boxes, a panel for each value of the axis
columns = columns_of(|value|)
rows = rows_of(|value|)
width = columns == 1 ? 640 : 330 * columns
names = 90.0
height = (columns == 1 ? 300 + names : (200 + names) * rows) + 20
set key off
set style fill solid 0.35 border
set boxwidth 0.6
set yrange [0:*]
set xrange [0.4 : |policy| + 0.6]
set xtics rotate by 40 right scale 0
set xtics ()
do for [p=1:|policy|] { set xtics add (plain(policy[p]) p) }
here(p, v) = of(p) && stringcolumn('value') eq value[v]
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    set multiplot layout rows,columns \
        margins char 10.5, char 2, screen names / height, char 2.6 spacing char 8, screen (names + 30.0) / height
    do for [v=1:|value|] {
        set title (|value| > 1 ? axis.' = '.value[v] : '')
        set ylabel ((v - 1) % columns == 0 ? y_label : '')
        plot for [p=1:|policy|] data using (here(p, v) ? p : NaN):'q1':'p5':'p95':'q3' \
                 with candlesticks lc rgb colour[p] lw 1.2 whiskerbars 0.5, \
             for [p=1:|policy|] data using (here(p, v) ? p : NaN):'median':'median':'median':'median' \
                 with candlesticks lc rgb '#000000' lw 1.4, \
             for [p=1:|policy|] data using (here(p, v) ? p : NaN):'mean' with points pt 12 ps 0.7 lc rgb '#000000'
    }
    unset multiplot
    unset output
}
