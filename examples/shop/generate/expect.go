package main

// streamCounts is what one night's run must count for one stream. The equations of the engine hold:
// read = landed + rejected, and for keyed streams landed = inserted + updated + unchanged + superseded.
type streamCounts struct {
	counts
	// Published is the number of rows of the published table after the night.
	Published int `json:"published"`
	// Keys is set for streams with a key.
	Keys *keyCounts `json:"keys,omitempty"`
	// Files counts each delivered file, by its path in inbox/.
	Files map[string]*counts `json:"files"`
}

type counts struct {
	Read     int            `json:"read"`
	Landed   int            `json:"landed"`
	Rejected int            `json:"rejected"`
	Reasons  map[string]int `json:"reasons,omitempty"`
}

type keyCounts struct {
	Inserted   int `json:"inserted"`
	Updated    int `json:"updated"`
	Unchanged  int `json:"unchanged"`
	Superseded int `json:"superseded"` // landed, but a row of the same night and key has a later cursor
	Deleted    int `json:"deleted"`    // full streams: keys that are gone from the snapshot
}

func (c *counts) add(r row) {
	c.Read++
	if r.reason == "" {
		c.Landed++
		return
	}
	c.Rejected++
	if c.Reasons == nil {
		c.Reasons = map[string]int{}
	}
	c.Reasons[r.reason]++
}

// expect counts, for each night and stream, what a run reads: of an incremental or append stream the files that are
// new, of a full stream every file that lies in inbox/ by then.
func expect(files []outFile) map[string]map[string]*streamCounts {
	nights := map[string]map[string]*streamCounts{}
	published := map[string]map[string]row{} // stream, key
	appended := map[string]int{}
	for n, night := range []string{"night1", "night2"} {
		nights[night] = map[string]*streamCounts{}
		landed := map[string][]row{}
		for _, f := range files {
			if f.night != n+1 && !(n == 1 && stays(f, files)) {
				continue
			}
			s := nights[night][f.stream]
			if s == nil {
				s = &streamCounts{Files: map[string]*counts{}}
				nights[night][f.stream] = s
			}
			s.Files[f.path] = &counts{}
			for _, r := range f.rows {
				s.add(r)
				s.Files[f.path].add(r)
				if r.reason == "" {
					landed[f.stream] = append(landed[f.stream], r)
				}
			}
		}
		for stream, s := range nights[night] {
			if modes[stream] == "append" {
				appended[stream] += s.Landed
				s.Published = appended[stream]
				continue
			}
			s.Keys, published[stream] = merge(published[stream], landed[stream], modes[stream] == "full")
			s.Published = len(published[stream])
		}
	}
	return nights
}

// stays reports whether a file of the first night is read again on the second: its stream is full, and no new file
// has taken its place.
func stays(f outFile, files []outFile) bool {
	if f.night != 1 || modes[f.stream] != "full" {
		return false
	}
	for _, other := range files {
		if other.night == 2 && other.path == f.path {
			return false
		}
	}
	return true
}

// merge applies the rows of a night to the table before it.
func merge(before map[string]row, rows []row, full bool) (*keyCounts, map[string]row) {
	k := &keyCounts{}
	latest := map[string]row{}
	for _, r := range rows {
		old, seen := latest[r.key]
		if seen {
			k.Superseded++
		}
		if !seen || r.cursor > old.cursor {
			latest[r.key] = r
		}
	}
	after := map[string]row{}
	for key, r := range latest {
		switch old, ok := before[key]; {
		case !ok:
			k.Inserted++
		case old.text == r.text:
			k.Unchanged++
		default:
			k.Updated++
		}
		after[key] = r
	}
	for key, old := range before {
		if _, ok := latest[key]; ok {
			continue
		}
		if full {
			k.Deleted++
		} else {
			after[key] = old
		}
	}
	return k, after
}
