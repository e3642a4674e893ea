# --- perplexity by split, a curve with its 95 % band for each setting of a channel; the black line is the clean model
width = 860
height = 420
set key outside right center reverse Left samplen 2.4
set logscale y
set format y '%g'
set xlabel 'layers on the device'
set ylabel 'perplexity'
set style fill transparent solid 0.18 noborder
last = |setting|
here(i) = stringcolumn('setting') eq setting[i]
# Nine colours of Okabe and Ito and kin, then anew with other dashes.
hues = '#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #999933 #882255 #666666'
colour(i) = word(hues, (i - 1) % 9 + 1)
dash(i) = int((i - 1) / 9) % 5 + 1
do for [form in 'svg pdf'] {
    eval value(form)
    set output name.'.'.form
    plot for [i=1:last] data using (here(i) ? column('split') : NaN):(column('low') > 0 ? column('low') : NaN):'high' \
             with filledcurves lc rgb colour(i) notitle, \
         for [i=1:last] data using (here(i) ? column('split') : NaN):'mean' \
             with linespoints lc rgb colour(i) dt dash(i) pt 7 ps 0.4 lw 1.4 title setting[i], \
         clean with lines lc rgb '#000000' dt 3 lw 1 title 'clean'
    unset output
}
