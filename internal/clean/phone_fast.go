package clean

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// The library reads a number by some twenty regular expressions, which takes 15 µs. Most numbers of a column are digits and plain
// punctuation: for these the same rules, from the library's own data, are asked of automata. What has anything else about it goes to
// the library, and TestPhoneFast holds the two against each other.

// plan is what a region's numbers look like.
type plan struct {
	code    string // calling code
	valid   []pattern
	general pattern
	lengths []int32 // of general, and those that are dialled locally only
	local   []int32
	prefix  *regexp.Regexp // that callers at home dial
	// abroad is what they dial for other countries.
	abroad *regexp.Regexp
	// leading tells the region from others with its code; nil: whether a number is valid does.
	leading *regexp.Regexp
	rewrite bool // the prefix may be rewritten: left to the library
}

// pattern is a regular expression over digits, for numbers of some lengths; none: any.
type pattern struct {
	digits  *automaton
	lengths []int32
}

func (p pattern) matches(n []byte) bool {
	return (len(p.lengths) == 0 || slices.Contains(p.lengths, int32(len(n)))) && p.digits.matches(n)
}

func (p *plan) isValid(n []byte) bool {
	return p.general.matches(n) && slices.ContainsFunc(p.valid, func(v pattern) bool { return v.matches(n) })
}

// metadata is the library's, by region.
var metadata = sync.OnceValue(func() map[string]*phonenumbers.PhoneMetadata {
	byRegion := map[string]*phonenumbers.PhoneMetadata{}
	if all, err := phonenumbers.MetadataCollection(); err == nil {
		for _, m := range all.GetMetadata() {
			byRegion[m.GetId()] = m
		}
	}
	return byRegion
})

// plans are made when they are first asked for.
var plans sync.Map // of region: *plan

// planOf is nil for a region that is none, and where an automaton would be too large.
func planOf(region string) *plan {
	if p, ok := plans.Load(region); ok {
		return p.(*plan)
	}
	p, _ := plans.LoadOrStore(region, newPlan(metadata()[region]))
	return p.(*plan)
}

func newPlan(m *phonenumbers.PhoneMetadata) *plan {
	if m == nil || m.GetId() == "001" {
		return nil
	}
	p := &plan{code: strconv.Itoa(int(m.GetCountryCode())), lengths: m.GetGeneralDesc().GetPossibleLength(), local: m.GetGeneralDesc().GetPossibleLengthLocalOnly(),
		rewrite: m.GetNationalPrefixTransformRule() != ""}
	if len(p.lengths) == 0 || m.GetInternationalPrefix() == "" {
		return nil
	}
	p.abroad, p.prefix, p.leading = atBegin(m.GetInternationalPrefix()), atBegin(m.GetNationalPrefixForParsing()), atBegin(m.GetLeadingDigits())
	descs := []*phonenumbers.PhoneNumberDesc{m.GetGeneralDesc(), m.GetPremiumRate(), m.GetTollFree(), m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(), m.GetPager(),
		m.GetUan(), m.GetVoicemail(), m.GetFixedLine(), m.GetMobile()}
	for i, d := range descs {
		if d.GetNationalNumberPattern() == "" {
			continue
		}
		a := newAutomaton(d.GetNationalNumberPattern())
		if a == nil {
			return nil
		}
		if pattern := (pattern{a, d.GetPossibleLength()}); i == 0 {
			p.general = pattern
		} else {
			p.valid = append(p.valid, pattern)
		}
	}
	if p.general.digits == nil {
		return nil
	}
	return p
}

// atBegin is a pattern of the metadata, for what numbers begin with; nil for none.
func atBegin(pattern string) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	return regexp.MustCompile("^(?:" + pattern + ")")
}

// phoneFast reads a number; known is false where only the library can.
func phoneFast(dst []byte, t, region string) (out []byte, known bool) {
	var room [24]byte
	digits, plus, ok := plainDigits(room[:0], t)
	if !ok {
		return dst, false
	}
	code := ""
	var home *plan
	if plus {
		if code = callingCode(digits); code == "" {
			return dst, false
		}
		digits = digits[len(code):]
		home = planOf(regionsOf(code)[0])
	} else if home = planOf(region); home != nil {
		code = home.code
		if home.abroad.Match(digits) || strings.HasPrefix(string(digits), code) { // with a code, perhaps
			return dst, false
		}
	}
	if home == nil || len(digits) < 6 {
		return dst, false
	}
	if digits, ok = home.withoutPrefix(digits); !ok || len(digits) < 2 || len(digits) > 17 {
		return dst, false
	}
	for _, r := range regionsOf(code) {
		p := planOf(r)
		if p == nil {
			return dst, false
		}
		if p.leading != nil {
			if p.leading.Match(digits) {
				return dst, false
			}
			continue
		}
		if p.isValid(digits) {
			return append(append(append(dst, '+'), code...), digits...), true
		}
	}
	return dst, true
}

// plainDigits are the digits of a number that has nothing else but plain punctuation, and a plus in front.
func plainDigits(digits []byte, t string) (_ []byte, plus, ok bool) {
	for i := range len(t) {
		switch c := t[i]; {
		case c >= '0' && c <= '9':
			if len(digits) == cap(digits) {
				return nil, false, false
			}
			digits = append(digits, c)
		case c == '+' && i == 0:
			plus = true
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return nil, false, false
		}
	}
	return digits, plus, len(digits) >= 7 && len(t) < 60
}

// withoutPrefix takes the prefix of callers at home away where the library does: if what is left is a number still, and of a length that
// there is.
func (p *plan) withoutPrefix(n []byte) (rest []byte, ok bool) {
	if p.prefix == nil {
		return n, true
	}
	end := 0
	if found := p.prefix.FindIndex(n); found == nil {
		return n, true
	} else {
		end = found[1]
	}
	if p.rewrite {
		return nil, false
	}
	rest = n[end:]
	if p.general.digits.matches(n) && !p.general.digits.matches(rest) {
		return n, true
	}
	length := int32(len(rest))
	if slices.Contains(p.local, length) || length <= p.lengths[len(p.lengths)-1] && !slices.Contains(p.lengths, length) {
		return n, true
	}
	return rest, true
}

// callingCode is the code that a number with a plus begins with.
func callingCode(digits []byte) string {
	for n := 1; n <= 3 && digits[0] != '0'; n++ {
		if code := string(digits[:n]); len(regionsOf(code)) > 0 {
			return code
		}
	}
	return ""
}

var callingCodes = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		all[strconv.Itoa(code)] = phonenumbers.GetRegionCodesForCountryCode(code)
	}
	return all
})

// regionsOf are the regions that share a calling code, the main one first.
func regionsOf(code string) []string { return callingCodes()[code] }

// automaton says of digits whether they are, all of them, what a regular expression says. State 0 refuses everything.
type automaton struct {
	next   [][10]int32
	accept []bool
}

// largest is how many states an automaton may have.
const largest = 20_000

func (a *automaton) matches(n []byte) bool {
	state := int32(1)
	for _, c := range n {
		if state = a.next[state][c-'0']; state == 0 {
			return false
		}
	}
	return a.accept[state]
}

// newAutomaton makes one by the construction of subsets; nil for an expression that looks at more than digits, or has too many states.
func newAutomaton(expression string) *automaton {
	re, err := syntax.Parse("(?:"+expression+")", syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || slices.ContainsFunc(prog.Inst, func(i syntax.Inst) bool { return i.Op == syntax.InstEmptyWidth }) {
		return nil
	}
	a := &automaton{next: make([][10]int32, 1), accept: make([]bool, 1)}
	number := map[string]int32{}
	var sets [][]uint32
	add := func(set []uint32) int32 {
		if len(set) == 0 {
			return 0
		}
		slices.Sort(set)
		set = slices.Compact(set)
		key := make([]byte, 0, 4*len(set))
		for _, pc := range set {
			key = append(key, byte(pc), byte(pc>>8), byte(pc>>16), byte(pc>>24))
		}
		if n, ok := number[string(key)]; ok {
			return n
		}
		n := int32(len(a.next))
		number[string(key)] = n
		sets = append(sets, set)
		a.next = append(a.next, [10]int32{})
		a.accept = append(a.accept, slices.ContainsFunc(set, func(pc uint32) bool { return prog.Inst[pc].Op == syntax.InstMatch }))
		return n
	}
	add(reachable(prog, uint32(prog.Start), nil))
	for k := 0; k < len(sets); k++ {
		if len(sets) > largest {
			return nil
		}
		for d := range 10 {
			var to []uint32
			for _, pc := range sets[k] {
				switch inst := &prog.Inst[pc]; inst.Op {
				case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
					if inst.MatchRune(rune('0' + d)) {
						to = reachable(prog, inst.Out, to)
					}
				}
			}
			state := add(to)
			a.next[k+1][d] = state
		}
	}
	return a
}

// reachable adds the instructions that read a sign or end the match, as far as they are reached from here without reading.
func reachable(prog *syntax.Prog, pc uint32, set []uint32) []uint32 {
	switch inst := &prog.Inst[pc]; inst.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return reachable(prog, inst.Arg, reachable(prog, inst.Out, set))
	case syntax.InstCapture, syntax.InstNop:
		return reachable(prog, inst.Out, set)
	case syntax.InstFail:
		return set
	}
	return append(set, pc)
}
