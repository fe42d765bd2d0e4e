package jinja

// pos is the byte offset of a node in the source of its template.
type pos int

func (p pos) at() int { return int(p) }

type expr interface{ at() int }

type (
	constExpr struct {
		pos
		val any
	}
	nameExpr struct {
		pos
		name string
	}
	listExpr struct {
		pos
		items []expr
	}
	tupleExpr struct {
		pos
		items []expr
	}
	dictExpr struct {
		pos
		keys, vals []expr
	}
	unaryExpr struct { // op is "-" or "+"
		pos
		op string
		x  expr
	}
	notExpr struct {
		pos
		x expr
	}
	binExpr struct { // op is + - * / // % **
		pos
		op   string
		l, r expr
	}
	logicExpr struct { // op is and, or
		pos
		op   string
		l, r expr
	}
	concatExpr struct { // a ~ b ~ c
		pos
		parts []expr
	}
	cmpExpr struct { // a < b <= c
		pos
		first expr
		rest  []cmpPart
	}
	condExpr struct { // a if test else b; b may be nil
		pos
		test, a, b expr
	}
	attrExpr struct {
		pos
		x    expr
		name string
	}
	itemExpr struct {
		pos
		x, index expr
	}
	sliceExpr struct { // only as the index of an itemExpr; parts may be nil
		pos
		lo, hi, step expr
	}
	callExpr struct {
		pos
		fn expr
		callArgs
	}
	filterExpr struct { // x is nil in `{% filter %}` and filtered set blocks: there the body is the value
		pos
		x    expr
		name string
		def  *filterDef
		callArgs
	}
	testExpr struct {
		pos
		x    expr
		name string
		def  *testDef
		callArgs
	}
	nsTarget struct { // name.attr on the left of a set
		pos
		name, attr string
	}
)

type cmpPart struct {
	op string // == != < <= > >= in notin
	x  expr
}

type kwarg struct {
	name string
	val  expr
}

type callArgs struct {
	args   []expr
	kwargs []kwarg
	star   expr
	dstar  expr
}

type node interface{ at() int }

type (
	textNode struct {
		pos
		text string
	}
	outputNode struct {
		pos
		x expr
	}
	ifNode struct {
		pos
		tests  []expr
		bodies [][]node
		orElse []node
	}
	forNode struct {
		pos
		target    expr
		iter      expr
		test      expr // may be nil
		recursive bool
		body      []node
		orElse    []node
	}
	setNode struct {
		pos
		target expr
		x      expr
	}
	setBlockNode struct {
		pos
		target expr
		filter *filterExpr // may be nil; a chain through x
		body   []node
	}
	macroNode struct {
		pos
		end      int // the offset behind its end tag
		name     string
		params   []string
		defaults []expr // for the last len(defaults) params
		body     []node
		// which of the special names the body reads; a macro accepts only what it reads
		usesCaller, usesVarargs, usesKwargs bool
	}
	callNode struct {
		pos
		call   *callExpr
		caller *macroNode
	}
	loopControlNode struct { // word is break or continue
		pos
		word string
	}
	snapshotNode struct {
		pos
		end  int
		name string
		body []node
	}
	docsNode struct{ pos } // its text is not for rendering; see Docs
	doNode   struct {
		pos
		x expr
	}
	filterNode struct {
		pos
		filter *filterExpr
		body   []node
	}
	withNode struct {
		pos
		targets []expr
		vals    []expr
		body    []node
	}
)
