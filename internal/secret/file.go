package secret

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/goccy/go-yaml"
)

// maxSize bounds every file and every answer that secrets are read from.
const maxSize = 1 << 20

// readPrivate reads a file that nobody but its owner may read. The mode is asked of the open file, not of the path.
func readPrivate(path, shown string, shared bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err, shown)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, plain(err, shown)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", shown)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && !shared && runtime.GOOS != "windows" {
		return nil, advice{
			fmt.Errorf("%s can be read or changed by others (mode %04o)", shown, mode),
			fmt.Sprintf("run: chmod 600 %s", path),
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, plain(err, shown)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s is larger than %d bytes", shown, maxSize)
	}
	return data, nil
}

// plain shortens an error of package os to the path as the user wrote it.
func plain(err error, shown string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s %s: %w", pe.Op, shown, pe.Err)
	}
	return err
}

// fileStore reads a folder of files, or a file of NAME=value lines. Files are read anew each time, so that a secret
// that was rotated counts from the next use.
type fileStore struct {
	path, shown string
	shared      bool
}

func (s *fileStore) describe() string { return "file " + s.shown }

func (s *fileStore) get(_ context.Context, name string) (Value, string, error) {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Value{}, "does not exist", nil
	case err != nil:
		return Value{}, "", plain(err, s.shown)
	case !info.IsDir():
		data, err := readPrivate(s.path, s.shown, s.shared)
		if err != nil {
			return Value{}, "", s.permissions(err)
		}
		values, err := parseEnv(data)
		if err != nil {
			return Value{}, "", fmt.Errorf("%s, %w", s.shown, err)
		}
		return pick(values, name)
	}
	shown := filepath.Join(s.shown, name)
	data, err := readPrivate(filepath.Join(s.path, name), shown, s.shared)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Value{}, "no file " + name, nil
	case err != nil:
		return Value{}, "", s.permissions(err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	return NewValue(text), "file " + name + " is empty", nil
}

// permissions adds the other way out, for mounts that cannot be changed.
func (s *fileStore) permissions(err error) error {
	var a advice
	if errors.As(err, &a) {
		a.hint += "\nor, where Docker or Kubernetes mounts the file, set shared: true on this store"
		return a
	}
	return err
}

func pick(values map[string]Value, name string) (Value, string, error) {
	v, ok := values[name]
	if !ok {
		return Value{}, "no entry " + name, nil
	}
	return v, "entry " + name + " is empty", nil
}

// ageStore reads a file encrypted with age that holds NAME=value lines or a YAML mapping.
type ageStore struct {
	path, shown, identity string
}

func (s *ageStore) describe() string { return "age " + s.shown }

func (s *ageStore) get(_ context.Context, name string) (Value, string, error) {
	encrypted, err := os.Open(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Value{}, "does not exist", nil
	case err != nil:
		return Value{}, "", plain(err, s.shown)
	}
	defer encrypted.Close()
	key, err := readPrivate(s.identity, s.identity, false)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = advice{fmt.Errorf("the identity file %s does not exist", s.identity), "create one with age-keygen and encrypt the file for its recipient too"}
		}
		return Value{}, "", err
	}
	identities, err := age.ParseIdentities(bytes.NewReader(key))
	if err != nil { // its text may hold parts of the key
		return Value{}, "", fmt.Errorf("%s holds no age identity (AGE-SECRET-KEY-1…)", s.identity)
	}
	text, err := decrypt(encrypted, identities)
	var noMatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &noMatch):
		return Value{}, "", advice{fmt.Errorf("%s is not encrypted for the identity in %s", s.shown, s.identity), "encrypt it again with the recipient of that identity"}
	case err != nil:
		return Value{}, "", fmt.Errorf("decrypt %s: the file is damaged or not an age file", s.shown)
	}
	values, err := s.parse(text)
	if err != nil {
		return Value{}, "", err
	}
	return pick(values, name)
}

func (s *ageStore) parse(text []byte) (map[string]Value, error) {
	base := strings.TrimSuffix(s.path, ".age")
	if ext := filepath.Ext(base); ext == ".yml" || ext == ".yaml" {
		return parseYAML(text, s.shown)
	}
	values, err := parseEnv(text)
	if err != nil {
		return nil, fmt.Errorf("%s, decrypted, %w", s.shown, err)
	}
	return values, nil
}

func decrypt(file io.Reader, identities []age.Identity) ([]byte, error) {
	r := bufio.NewReader(io.LimitReader(file, 2*maxSize))
	var src io.Reader = r
	if start, _ := r.Peek(len(armor.Header)); string(start) == armor.Header {
		src = armor.NewReader(r)
	}
	plain, err := age.Decrypt(src, identities...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(plain, maxSize))
}

// parseYAML reads a flat mapping. Errors of the YAML library quote the text, so they are not passed on.
func parseYAML(text []byte, shown string) (values map[string]Value, err error) {
	bad := fmt.Errorf("%s, decrypted, is not a YAML mapping of names to texts", shown)
	defer func() {
		if recover() != nil {
			values, err = nil, bad
		}
	}()
	var m map[string]any
	if yaml.Unmarshal(text, &m) != nil {
		return nil, bad
	}
	values = make(map[string]Value, len(m))
	for k, v := range m {
		switch v := v.(type) {
		case string:
			values[k] = NewValue(v)
		case nil:
			values[k] = Value{}
		case bool, int64, uint64, float64:
			return nil, fmt.Errorf("%s, decrypted: %s is not a text; put it in quotes", shown, k)
		default:
			return nil, bad
		}
	}
	return values, nil
}

// parseEnv reads NAME=value lines: # comments, an optional "export", 'single quotes' taken as they are, "double
// quotes" with \n \r \t \" \\ \$, both over several lines if need be. Errors name lines and never their text.
func parseEnv(data []byte) (map[string]Value, error) {
	values := map[string]Value{}
	text := strings.ReplaceAll(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\r\n", "\n")
	for line := 1; text != ""; line++ {
		var row string
		row, text, _ = strings.Cut(text, "\n")
		row = strings.TrimSpace(row)
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(row, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !validName.MatchString(name) {
			return nil, fmt.Errorf("line %d: expected NAME=value", line)
		}
		if value == "" || value[0] != '"' && value[0] != '\'' {
			if at := strings.Index(value, " #"); at >= 0 {
				value = strings.TrimSpace(value[:at])
			}
			values[name] = NewValue(value)
			continue
		}
		first := line
		for {
			unquoted, rest, closed := unquote(value)
			if closed {
				if rest = strings.TrimSpace(rest); rest != "" && !strings.HasPrefix(rest, "#") {
					return nil, fmt.Errorf("line %d: text after the closing quote", line)
				}
				values[name] = NewValue(unquoted)
				break
			}
			if text == "" {
				return nil, fmt.Errorf("line %d: the quote is not closed", first)
			}
			row, text, _ = strings.Cut(text, "\n")
			value += "\n" + row
			line++
		}
	}
	return values, nil
}

// unquote reads the quoted text that s begins with; closed is false when its end is missing.
func unquote(s string) (value, rest string, closed bool) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), s[i+1:], true
		case quote == '"' && s[i] == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$':
				b.WriteByte(s[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
