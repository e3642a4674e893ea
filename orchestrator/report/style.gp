# --- what all figures share: change it here for this one
set datafile separator comma
set datafile columnheaders
set encoding utf8
set border 3 lc rgb '#444444'
set tics nomirror out
set grid ytics lt 1 lw 0.6 lc rgb '#dddddd'
# Long dashes, beside the five that gnuplot has: more learners than two kinds of lines tell apart.
set dashtype 6 (24,6)
# Each figure is drawn twice: eval value(form), form being 'svg' or 'pdf'. 50 pixels are a centimetre on paper.
svg = "set terminal svg size width,height font 'sans,13' noenhanced background '#ffffff' linewidth 1.2"
pdf = "set terminal pdfcairo size width/50.0 cm,height/50.0 cm font 'sans,9' fontscale 0.75 noenhanced linewidth 1.2"
data = name.'.csv'
of(p) = stringcolumn('policy') eq policy[p]
# A tic's label is a format: of a text every % must be two.
plain(s) = strstrt(s, '%') > 0 ? s[1:strstrt(s, '%')].'%'.plain(s[strstrt(s, '%') + 1:*]) : s
# n panels stand in so many columns and rows.
columns_of(n) = n <= 1 ? 1 : n == 2 || n == 4 ? 2 : 3
rows_of(n) = int(ceil(n / (1.0 * columns_of(n))))
# The distance of tics that leaves some four of them: 1, 2 or 5 times a power of ten.
up_to_125(m) = m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10
tics_of(length) = length > 0 ? up_to_125(length / 4.0 / 10**floor(log10(length / 4.0))) * 10**floor(log10(length / 4.0)) : 1
legend_columns_of(width) = int(width / 165)
legend_rows_of(n, width) = int(ceil(n / (1.0 * legend_columns_of(width))))
legend_height_of(n, width) = 20.0 * legend_rows_of(n, width) + 6.0

