package match

// leastFields is how many fields must be compared before one value by itself is too little to go by.
const leastFields = 3

// mostAgreeing is the share of pairs that agree in a field from which on a value of it says next to nothing of which thing a record is.
const mostAgreeing = 0.2

// lone says of each record whether it has a value in at most one of the fields that are compared, not counting those that tell nothing;
// nil where few are. Missing values weigh nothing, which holds where they are missing by chance. Of two records that are empty but for
// one value it does not: an address without a name may be of whatever stands there. So two of them never match by themselves, and
// training does not learn from them what rivals look like.
func (p *Plan) lone(r *Records) []bool {
	columns := map[string]int{}
	for i := range p.Comparisons {
		for _, c := range p.Comparisons[i].Columns {
			if fields := p.Columns[c].madeOf(); len(fields) == 1 && r.tells(&p.Comparisons[i], c) {
				columns[fields[0]] = c
			}
		}
	}
	if len(columns) < leastFields {
		return nil
	}
	values := make([]uint8, r.N)
	for _, c := range columns {
		for i := range values {
			if !r.Columns[c].Null(i) {
				values[i]++
			}
		}
	}
	lone := make([]bool, r.N)
	for i, n := range values {
		lone[i] = n < 2
	}
	return lone
}

// tells says whether a value of a column says anything of which thing a record is: not where most have the same, as a kind, and not where
// no two have the same and likeness counts for little, as a key.
func (r *Records) tells(c *Comparison, column int) bool {
	share, ok := r.agreeing(column)
	return !ok || share < mostAgreeing && (share > 0 || graded(c))
}
