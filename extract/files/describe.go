package files

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/millrace/millrace/extract"
	"github.com/millrace/millrace/internal/csvrec"
)

func jsonStrings(s string) []string {
	var out []string
	_ = json.Unmarshal([]byte(s), &out)
	return out
}

// Describe implements extract.Source.
func (s *source) Describe(ctx context.Context, st extract.Stream) (*extract.Description, error) {
	o, err := streamOptions(st)
	if err != nil {
		return nil, err
	}
	root, dir, err := s.root()
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	defer root.Close()
	w := &extract.Window{}
	files, err := s.find(root, st, o, w)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("stream %q: %w", st.Name, s.empty(root, o))
	}
	p := &planner{ctx: ctx, root: root, dir: dir, stream: st, opt: o}
	plan, err := p.plan(files)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", st.Name, err)
	}
	out := &extract.Description{Columns: plan.columns, Rows: -1, Notes: append(w.Notes, plan.notes...)}
	for _, f := range files {
		out.Bytes += f.Size
	}
	out.Rows = estimate(ctx, root, o, plan, files)
	if len(st.Known) > 0 && !o.pinned() { // what is to be pinned is what the files say, not what was once guessed
		st.Known = nil
		p := &planner{ctx: ctx, root: root, dir: dir, stream: st, opt: o}
		if plan, err = p.plan(files); err != nil {
			return nil, fmt.Errorf("stream %q: %w", st.Name, err)
		}
	}
	out.Pins = pins(o, plan, out)
	return out, nil
}

// pins are the keys that fix what was guessed.
func pins(o *StreamOptions, p *plan, d *extract.Description) []extract.Pin {
	if o.pinned() {
		return nil
	}
	instead := map[string]string{}
	for _, c := range p.pins {
		instead[c.Name] = c.Type
		d.Notes = append(d.Notes, fmt.Sprintf("column %q: guessed DOUBLE, but all values seen fit %s, which is exact: that is what --pin writes", c.Name, c.Type))
	}
	var cols []string
	for _, c := range p.columns {
		if c.Name == o.FilenameColumn {
			continue
		}
		typ := c.Type
		if t, ok := instead[c.Name]; ok {
			typ = t
		}
		cols = append(cols, yamlText(c.Name)+": "+yamlText(typ))
	}
	out := []extract.Pin{{Key: "columns", YAML: "{" + strings.Join(cols, ", ") + "}"}}
	if dl := p.dialect; dl != nil {
		y := fmt.Sprintf("{delimiter: %s, header: %s", yamlText(string(rune(dl.Delim))), yamlText(fmt.Sprint(dl.Header)))
		if dl.Quote != '"' {
			q := ""
			if dl.Quote != 0 {
				q = string(rune(dl.Quote))
			}
			y += ", quote: " + yamlText(q)
		}
		if dl.Escape != dl.Quote && dl.Escape != 0 {
			y += ", escape: " + yamlText(string(rune(dl.Escape)))
		}
		if dl.DateFormat != "" {
			y += ", date_format: " + yamlText(dl.DateFormat)
		}
		if dl.TimestampFormat != "" {
			y += ", timestamp_format: " + yamlText(dl.TimestampFormat)
		}
		c := o.CSV // a pin replaces the key, so what the project says already is kept
		if len(c.Null) > 0 {
			var n []string
			for _, v := range c.Null {
				n = append(n, yamlText(v))
			}
			y += ", null: [" + strings.Join(n, ", ") + "]"
		}
		if dl.DecimalComma {
			y += `, decimal: ","`
		}
		if dl.Comment != 0 {
			y += ", comment: " + yamlText(c.Comment)
		}
		if dl.Skip > 0 {
			y += fmt.Sprintf(", skip: %d", dl.Skip)
		}
		if c.Encoding != "" && c.Encoding != "utf-8" {
			y += ", encoding: " + c.Encoding
		}
		out = append(out, extract.Pin{Key: "csv", YAML: y + "}"})
	}
	return out
}

// yamlText spells a string in flow style: always quoted unless it is a plain word, so that nothing is misread.
func yamlText(s string) string {
	plain := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		plain = plain && (c == '_' && i > 0 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9')
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan":
		plain = false
	}
	if plain {
		return s
	}
	b, _ := json.Marshal(s) // a JSON string is a YAML string
	return string(b)
}

// estimate guesses how many records the files hold, from the footers or from the start of the first file.
func estimate(ctx context.Context, root *os.Root, o *StreamOptions, p *plan, files []fileID) int64 {
	var rows, bytes int64
	switch p.format {
	case "parquet":
		for _, f := range files {
			foot, err := readFooter(root, f)
			if err != nil {
				return -1
			}
			rows += foot.rows
		}
		return rows
	case "arrow":
		return -1
	}
	var largest fileID
	for _, f := range files {
		bytes += f.Size
		if f.Size > largest.Size {
			largest = f
		}
	}
	if largest.Size == 0 {
		return 0
	}
	counter := &counted{}
	in, err := openStored(ctx, root, largest.Name, o.compression(largest.Name), o.CSV.Encoding, 1<<62, counter.add)
	if err != nil {
		return -1
	}
	defer in.Close()
	limit := io.LimitReader(in, 4<<20)
	if p.format == "csv" {
		s := csvrec.New(limit, p.dialect.cut(), o.maxRecord())
		for {
			if _, err := s.Next(-1); err != nil {
				break
			}
			rows++
		}
	} else {
		lines, err := o.byLine(ctx, root, largest.Name)
		if err != nil {
			return -1
		}
		s := newJSONSplitter(limit, lines, o.Records, o.maxRecord())
		for {
			if _, err := s.next(); err != nil {
				break
			}
			rows++
		}
	}
	if counter.n == 0 {
		return 0
	}
	if p.format == "csv" && p.dialect.Header && rows > 0 {
		rows--
	}
	if counter.n >= largest.Size && len(files) == 1 {
		return rows
	}
	return int64(float64(rows) * float64(bytes) / float64(counter.n))
}

type counted struct{ n int64 }

func (c *counted) add(n int64) { c.n += n }
