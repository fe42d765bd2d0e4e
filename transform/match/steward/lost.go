package steward

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Standing are the decisions of a file that hold and its revokes, by their ids, each with a hash of what it is about: what a later run
// needs to see that one is gone. Those of a table of overrides are taken out there, and not among them.
func Standing(own []Decision, r *Rulings) map[string]string {
	inFile, out := map[string]bool{}, map[string]string{}
	for _, d := range own {
		inFile[d.ID] = true
		if d.Kind == Revoke {
			out[d.ID] = d.aboutHash()
		}
	}
	for _, d := range slices.Concat(r.Match, r.Split, r.Pins) {
		if inFile[d.ID] && !d.Unordered {
			out[d.ID] = d.aboutHash()
		}
	}
	return out
}

// Lost are the ids of before, which Standing gave, that the file does not have any more, where it has no other decision about the same
// either: a row that somebody has written anew says what holds. A revoke is not missed with what it took back.
func Lost(before map[string]string, own []Decision) (ids []string) {
	there, decided := map[string]bool{}, map[string]bool{}
	for _, d := range own {
		there[d.ID], decided[d.aboutHash()] = true, true
		if d.Kind != Revoke {
			there[revokeHash(d.ID)] = true
		}
	}
	for id, about := range before {
		if !there[id] && !decided[about] && (!strings.HasPrefix(about, revokePrefix) || there[about]) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

const revokePrefix = "revoke "

func revokeHash(id string) string { return revokePrefix + id }

// aboutHash stands for what a decision is about, without telling keys.
func (d *Decision) aboutHash() string {
	if d.Kind == Revoke {
		return revokeHash(d.Of)
	}
	s := d.about()
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{s.a.Source, s.a.Key, s.b.Source, s.b.Key, s.field}))
	return hex.EncodeToString(sum[:4])
}
