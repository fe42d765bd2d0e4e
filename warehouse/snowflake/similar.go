package snowflake

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// similar is how alike two values are. Texts are parted by the same letters in both engines.
var similar = warehouse.Similar{
	// It is blind to case, and gives whole percents, cut off: that is above a whole percent exactly where the measure itself is.
	JaroWinkler: func(a, b string, lower bool) (string, error) {
		if !lower {
			return "", fmt.Errorf("JAROWINKLER_SIMILARITY does not tell capital letters from small ones: let the field's steps fold it")
		}
		return "JAROWINKLER_SIMILARITY(" + a + ", " + b + ")", nil
	},
	Reaches: func(measure string, least float64) (string, error) {
		percent := math.Round(least * 100)
		if math.Abs(percent-least*100) > 1e-9 {
			return "", fmt.Errorf("JAROWINKLER_SIMILARITY gives whole percents, and %g is none: take one", least)
		}
		return measure + " >= " + strconv.FormatFloat(percent, 'f', 0, 64), nil
	},
	Levenshtein: func(a, b string) string { return "EDITDISTANCE(" + a + ", " + b + ")" },
	OSA: func(a, b string, most int) (string, error) {
		switch most {
		case 0:
			return a + " = " + b, nil
		case 1:
			return "(EDITDISTANCE(" + a + ", " + b + ") <= 1 OR LENGTH(" + a + ") = LENGTH(" + b + ") AND EDITDISTANCE(" + a + ", " + b +
				") = 2 AND " + transposed(a, b) + ")", nil
		}
		return "", fmt.Errorf("Snowflake has no optimal string alignment, and only osa 1 can be said without: take osa 1, or levenshtein %d",
			most)
	},
	Words:  words,
	Size:   func(list string) string { return "ARRAY_SIZE(" + list + ")" },
	Common: func(a, b string) string { return "ARRAY_SIZE(ARRAY_INTERSECTION(" + a + ", " + b + "))" },
	Terms: func(from, column string, grams bool) string {
		each := fmt.Sprintf("%s AS r, LATERAL FLATTEN(INPUT => %s) AS w", from, words("r."+column))
		term := "CAST(w.value AS VARCHAR)"
		if grams {
			each += ", LATERAL FLATTEN(INPUT => ARRAY_GENERATE_RANGE(1, LENGTH(CAST(w.value AS VARCHAR)) + 2)) AS i"
			term = "SUBSTR('  ' || CAST(w.value AS VARCHAR) || ' ', CAST(i.value AS INTEGER), 3)"
		}
		return "SELECT DISTINCT r._rec, " + term + " AS term FROM " + each + " WHERE r." + column + " IS NOT NULL"
	},
	Weighed: func(terms, weights string) string {
		return fmt.Sprintf("SELECT t._rec, ARRAY_AGG(CAST(w.weight AS VARCHAR) || ' ' || t.term) AS terms, CAST(SUM(w.weight * w.weight) AS FLOAT) AS square FROM (%s) AS t JOIN %s AS w ON w.term = t.term GROUP BY t._rec", terms, weights)
	},
	Shared: func(a, b string) string {
		return "CAST(REDUCE(ARRAY_INTERSECTION(" + a + ", " + b +
			"), 0, (s, e) -> s + SQUARE(CAST(SPLIT_PART(CAST(e AS VARCHAR), ' ', 1) AS NUMBER))) AS FLOAT)"
	},
	Days:   func(a, b string) string { return "DATEDIFF('day', " + b + ", " + a + ")" },
	Stored: func(column string) string { return "PARSE_JSON(" + column + ")" },
}

// words are those between blanks, the empty ones left out.
func words(text string) string {
	return "ARRAY_EXCEPT(ARRAY_DISTINCT(SPLIT(" + warehouse.Blanked(text, literal) + ", ' ')), ARRAY_CONSTRUCT(''))"
}

// transposed says whether two texts of one length differ by two neighbours that changed places.
func transposed(a, b string) string {
	swapped := strings.Join([]string{"SUBSTR(" + b + ", 1, i - 1)", "SUBSTR(" + b + ", i + 1, 1)", "SUBSTR(" + b + ", i, 1)", "SUBSTR(" +
		b + ", i + 2)"}, " || ")
	return "ARRAY_SIZE(FILTER(ARRAY_GENERATE_RANGE(1, LENGTH(" + a + ")), i INTEGER -> " + a + " = " + swapped + ")) > 0"
}
