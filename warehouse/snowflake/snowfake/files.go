package snowfake

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// plainStage are the characters of a stage and path that need no single quotes. What needs them is nowhere told but as "spaces or special
// characters" (https://docs.snowflake.com/en/sql-reference/sql/put).
const plainStage = `abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$."/~%`

// stagePath reads @stage/path, in single quotes or without, and finds the stage. The path is a prefix of names, not a folder: @s/t means t_archive too
// (https://docs.snowflake.com/en/sql-reference/sql/copy-into-table: "path is an optional case-sensitive path for files ... that have a common prefix").
func (p *parser) stagePath(privilege string) (*stage, string) {
	t := p.peek()
	text, quoted := strings.CutPrefix(t.text, "@")
	switch {
	case t.kind == stringToken && quoted:
	case t.kind != stageToken:
		p.unexpected()
		return &stage{}, ""
	case strings.Trim(t.text, plainStage) != "":
		p.fail(unknownf("the stage %s: a name or path with other characters is to stand in single quotes", t.raw))
		return &stage{}, ""
	}
	p.next()
	name, path := text, ""
	for i := 0; i < len(name); i++ {
		if name[i] == '"' {
			i = quotedEnd(name, i) - 1
		} else if name[i] == '/' {
			name, path = name[:i], name[i+1:]
			break
		}
	}
	tokens, err := scan(name)
	if err != nil || strings.Contains(path, "..") || strings.HasPrefix(name, "~") || strings.HasPrefix(name, "%") {
		p.fail(unknownf("the stage %s", t.raw))
		return &stage{}, ""
	}
	inner := &parser{session: p.session, tokens: tokens, spelling: p.spelling}
	full := inner.object()
	if inner.err == nil && inner.peek().kind != endToken {
		inner.unexpected()
	}
	if inner.err != nil {
		p.fail(inner.err)
		return &stage{}, ""
	}
	st, err := p.session.stageOf(full, privilege)
	if err != nil {
		p.fail(err)
		return &stage{}, ""
	}
	return st, path
}

// put is PUT 'file:///path' @stage/path/ with its options. The files are the driver's to bring.
func (s *Session) put(_ context.Context, p *parser) (*Answer, error) {
	source, isFile := strings.CutPrefix(p.stringValue(), "file://")
	if p.err == nil && !isFile {
		return nil, unknownf("PUT of what is not 'file://...'")
	}
	st, path := p.stagePath("WRITE")
	// Defaults: https://docs.snowflake.com/en/sql-reference/sql/put.
	u := &Upload{Sources: []string{source}, Stage: st.String(), Prefix: strings.TrimSuffix(path, "/"), Compress: true, Parallel: 4, Compression: "AUTO_DETECT"}
	if u.Prefix != "" {
		u.Prefix += "/"
	}
	for p.err == nil && p.peek().kind == wordToken {
		name := p.word()
		p.expect("=")
		switch name {
		case "OVERWRITE":
			u.Overwrite = p.boolean()
		case "AUTO_COMPRESS":
			u.Compress = p.boolean()
		case "PARALLEL":
			u.Parallel = p.integer()
		case "SOURCE_COMPRESSION":
			u.Compression = p.word()
		default:
			return nil, unknownf("PUT ... %s", name)
		}
	}
	if err := p.done(); err != nil {
		return nil, err
	}
	return &Answer{Type: TypeSelect, Upload: u}, nil
}

func (p *parser) boolean() bool {
	switch {
	case p.accept("TRUE"):
		return true
	case p.accept("FALSE"):
	default:
		p.unexpected()
	}
	return false
}

// stagedFile is a file of a stage.
type stagedFile struct {
	name, path string // name: within the stage
	size       int64
	modified   time.Time
	md5        string
}

// files are those of a stage whose names begin with the prefix, in order.
func (st *stage) files(prefix string) ([]stagedFile, error) {
	var all []stagedFile
	err := filepath.WalkDir(st.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") { // such as a file that is still arriving
			return err
		}
		name, err := filepath.Rel(st.dir, path)
		if err != nil || !strings.HasPrefix(filepath.ToSlash(name), prefix) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum, err := md5Of(path)
		all = append(all, stagedFile{filepath.ToSlash(name), path, info.Size(), info.ModTime(), sum})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b stagedFile) int { return strings.Compare(a.name, b.name) })
	return all, err
}

func md5Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// list is LIST @stage/path (https://docs.snowflake.com/en/sql-reference/sql/list): names begin with the stage's, in lower case.
func (s *Session) list(_ context.Context, p *parser) (*Answer, error) {
	st, prefix := p.stagePath("READ")
	if err := p.done(); err != nil {
		return nil, err
	}
	files, err := st.files(prefix)
	if err != nil {
		return nil, err
	}
	l := &listing{columns: []string{"name", "size", "md5", "last_modified"}}
	for _, f := range files {
		size := f.size
		if s.account.cfg.Encrypted {
			size = encrypted(size)
		}
		l.rows = append(l.rows, []any{strings.ToLower(st.Name) + "/" + f.name, size, f.md5, f.modified.UTC().Format("Mon, 2 Jan 2006 15:04:05 GMT")})
	}
	return l.answer()
}

// remove is REMOVE @stage/path (https://docs.snowflake.com/en/sql-reference/sql/remove).
func (s *Session) remove(_ context.Context, p *parser) (*Answer, error) {
	st, prefix := p.stagePath("WRITE")
	if err := p.done(); err != nil {
		return nil, err
	}
	files, err := st.files(prefix)
	if err != nil {
		return nil, err
	}
	l := &listing{columns: []string{"name", "result"}}
	for _, f := range files {
		if err := os.Remove(f.path); err != nil {
			return nil, err
		}
		l.rows = append(l.rows, []any{strings.ToLower(st.Name) + "/" + f.name, "removed"})
	}
	return l.answer()
}
