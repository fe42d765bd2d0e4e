package clean

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// TestPhoneFast holds the automata against the library, over numbers near to real ones of each region: examples of all types with digits
// exchanged, taken away and added, with and without what is dialled before them.
func TestPhoneFast(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	compared, valid := 0, 0
	for _, region := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			number := phonenumbers.GetNationalSignificantNumber(example)
			for round := range 9 {
				n := []byte(number)
				for range round {
					switch k := rng.IntN(len(n)); rng.IntN(8) {
					case 0:
						if len(n) > 1 {
							n = append(n[:k], n[k+1:]...)
						}
					case 1:
						n = append(n, byte('0'+rng.IntN(10)))
					default:
						n[k] = byte('0' + rng.IntN(10))
					}
				}
				for _, text := range []string{string(n), phonenumbers.GetNddPrefixForRegion(region, true) + string(n), fmt.Sprintf("+%d (%s", example.GetCountryCode(), n)} {
					got, known := phoneFast(nil, text, region)
					if !known {
						continue
					}
					compared++
					if want := phoneSlow(nil, text, region); string(got) != string(want) {
						t.Errorf("%s %s: %q, the library says %q", region, text, got, want)
					} else if len(want) > 0 {
						valid++
					}
				}
			}
		}
	}
	t.Logf("%d compared, %d valid", compared, valid)
	if compared < 20_000 || valid < compared/4 {
		t.Errorf("%d compared, %d of them valid: this says too little", compared, valid)
	}
}

func TestPhoneForms(t *testing.T) {
	for text, want := range map[string]string{
		"030/901820": "+4930901820", "030 90 18 20 ext. 5": "+4930901820", "0049 30 901820": "+4930901820", "+49(0)30 901820": "+4930901820",
		"49 30 901820": "+4930901820", "tel:+49-30-901820": "+4930901820", "0151 23456789": "+4915123456789", "abc": "", "+999 123456": "", strings.Repeat("1", 300): "",
	} {
		if got := string(Phone(nil, text, "DE")); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func BenchmarkPhone(b *testing.B) {
	var dst []byte
	for i := range b.N {
		dst = Phone(dst[:0], fmt.Sprint("030 ", 1000000+i*7919%8999999), "DE")
	}
}
