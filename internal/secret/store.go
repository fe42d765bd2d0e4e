package secret

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringService is the service name under which secrets stand in the keyring of the operating system.
const keyringService = "millrace"

// envPrefix begins the environment variables that hold secrets.
const envPrefix = "MILLRACE_SECRET_"

// StoreConfig is one entry of the "secrets:" block. Which keys matter depends on Type; New refuses the others.
type StoreConfig struct {
	Type     string `yaml:"type" required:"true" enum:"env,file,age,keyring,vault" doc:"Kind of store: env, file, age, keyring or vault."`
	Path     string `yaml:"path" doc:"file: a folder with one file for each secret, or a file of NAME=value lines. age: the encrypted file. vault: the path of the secret below the mount." example:"secrets.env"`
	Shared   bool   `yaml:"shared" doc:"file: accept files that others on the machine can read, as Docker and Kubernetes mount them."`
	Identity string `yaml:"identity" doc:"age: the file with the identity (private key) that decrypts." example:"~/.config/millrace/age.key"`

	Address   string `yaml:"address" doc:"vault: URL of the server." example:"https://vault.example.com:8200"`
	Mount     string `yaml:"mount" doc:"vault: mount of the KV version 2 engine; secret when absent."`
	Namespace string `yaml:"namespace" doc:"vault: namespace (Vault Enterprise, HCP)."`
	TokenFile string `yaml:"token_file" doc:"vault: file with the token; the environment variable VAULT_TOKEN when absent."`
	CAFile    string `yaml:"ca_file" doc:"vault: PEM file with the certificate authority of the server."`
	Insecure  bool   `yaml:"insecure" doc:"vault: allow http:// to another machine; token and secrets travel unencrypted."`
}

// Config is the "secrets:" block: stores in the order they are asked. Empty means the environment only.
type Config []StoreConfig

// Deps is what Stores needs of the world. The zero Deps works: the environment of the process, the current folder.
type Deps struct {
	LookupEnv  func(string) (string, bool) // os.LookupEnv when nil
	Dir        string                      // folder that relative paths start from
	Redactor   *Redactor                   // learns every value and token that is read; may be nil
	HTTPClient *http.Client                // for Vault, when nil one with verification and a 10 s timeout
	Now        func() time.Time            // time.Now when nil
}

// ErrNotFound is what a NotFoundError is.
var ErrNotFound = errors.New("secret not found")

// NotFoundError says that no store has the secret.
type NotFoundError struct {
	Name  string
	Asked []string // each store and what it lacks, in words
	hint  string
}

// Error names the secret and each store that was asked.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("secret %q not found; asked: %s", e.Name, strings.Join(e.Asked, "; "))
}

// Hint says what to do.
func (e *NotFoundError) Hint() string { return e.hint }

// Is reports whether target is ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// StoreError says that a store could not be asked.
type StoreError struct {
	Store string // the store in words
	Err   error
	hint  string
}

// Error names the store and what went wrong.
func (e *StoreError) Error() string { return fmt.Sprintf("secret store %s: %v", e.Store, e.Err) }

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

// Hint says what to do; it may be empty.
func (e *StoreError) Hint() string { return e.hint }

// advice is an error with a hint, which Lookup moves to the StoreError.
type advice struct {
	error
	hint string
}

// store is one place that has secrets. get returns a zero Value and a note in words when it does not have the name;
// an error means that it cannot tell.
type store interface {
	get(ctx context.Context, name string) (v Value, note string, err error)
	describe() string
}

// Stores asks several places for secrets. It is safe for concurrent use.
type Stores struct {
	stores   []store
	redactor *Redactor
}

// New checks the configuration and returns its stores; nothing is opened or asked yet. The error names every entry
// that is wrong.
func New(cfg Config, deps Deps) (*Stores, error) {
	if deps.LookupEnv == nil {
		deps.LookupEnv = os.LookupEnv
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if len(cfg) == 0 {
		cfg = Config{{Type: "env"}}
	}
	s := &Stores{redactor: deps.Redactor}
	var errs []error
	for i, c := range cfg {
		st, err := newStore(c, deps)
		if err != nil {
			errs = append(errs, fmt.Errorf("secrets, entry %d (%s): %w", i+1, c.Type, err))
			continue
		}
		s.stores = append(s.stores, st)
	}
	return s, errors.Join(errs...)
}

func newStore(c StoreConfig, deps Deps) (store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch c.Type {
	case "env":
		return envStore{deps.LookupEnv}, nil
	case "file":
		return &fileStore{path: deps.resolve(c.Path), shown: c.Path, shared: c.Shared}, nil
	case "age":
		return &ageStore{path: deps.resolve(c.Path), shown: c.Path, identity: deps.resolve(c.Identity)}, nil
	case "keyring":
		return keyringStore{}, nil
	}
	return newVault(c, deps)
}

// check refuses missing keys and keys of other types of stores.
func (c StoreConfig) check() error {
	keys := []struct {
		name, value, types string
		required           bool
	}{
		{"path", c.Path, "file age vault", true},
		{"identity", c.Identity, "age", true},
		{"address", c.Address, "vault", true},
		{"mount", c.Mount, "vault", false},
		{"namespace", c.Namespace, "vault", false},
		{"token_file", c.TokenFile, "vault", false},
		{"ca_file", c.CAFile, "vault", false},
		{"shared", map[bool]string{true: "true"}[c.Shared], "file", false},
		{"insecure", map[bool]string{true: "true"}[c.Insecure], "vault", false},
	}
	if !strings.Contains(" env file age keyring vault ", " "+c.Type+" ") || c.Type == "" {
		return fmt.Errorf("unknown type %q; the types are env, file, age, keyring and vault", c.Type)
	}
	var errs []error
	for _, k := range keys {
		mine := strings.Contains(" "+k.types+" ", " "+c.Type+" ")
		switch {
		case mine && k.required && k.value == "":
			errs = append(errs, fmt.Errorf("missing key %q", k.name))
		case !mine && k.value != "":
			errs = append(errs, fmt.Errorf("key %q belongs to type %s", k.name, strings.ReplaceAll(k.types, " ", ", ")))
		}
	}
	return errors.Join(errs...)
}

// resolve makes a path absolute: from the project's folder, or from the home folder for ~/.
func (d Deps) resolve(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, ok := d.LookupEnv("HOME"); ok {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.Dir, path)
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Lookup returns the secret from the first store that has it. A store that cannot be asked ends the search, so that a
// failing store never lets an older value of the same name through from a later one. The error is a *NotFoundError or
// a *StoreError, has a Hint, and contains no secret.
func (s *Stores) Lookup(ctx context.Context, name string) (Value, error) {
	if !validName.MatchString(name) {
		return Value{}, fmt.Errorf("secret %q: a name consists of letters, digits, _ - and .", name)
	}
	missing := &NotFoundError{Name: name}
	for _, st := range s.stores {
		v, note, err := st.get(ctx, name)
		if err != nil {
			failed := &StoreError{Store: st.describe(), Err: err}
			var a advice
			if errors.As(err, &a) {
				failed.hint = a.hint
			}
			return Value{}, fmt.Errorf("secret %q: %w", name, failed)
		}
		if !v.IsZero() {
			s.redactor.Add(v)
			return v, nil
		}
		missing.Asked = append(missing.Asked, st.describe()+" ("+note+")")
	}
	missing.hint = s.howToSet(name)
	return Value{}, missing
}

// howToSet says what to do, for the first store that a person can write to.
func (s *Stores) howToSet(name string) string {
	for _, st := range s.stores {
		switch st := st.(type) {
		case envStore:
			return "set environment variable " + envName(name)
		case *fileStore:
			return fmt.Sprintf("add %s to %s", name, st.shown)
		case *ageStore:
			return fmt.Sprintf("add %s to the text that is encrypted in %s", name, st.shown)
		case keyringStore:
			return fmt.Sprintf("add it to the keyring as service %s, user %s", keyringService, name)
		case *vaultStore:
			return fmt.Sprintf("vault kv patch -mount=%s %s %s=…", st.mount, st.path, name)
		}
	}
	return ""
}

type envStore struct {
	lookup func(string) (string, bool)
}

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

func (envStore) describe() string { return "env" }

func (e envStore) get(_ context.Context, name string) (Value, string, error) {
	text, ok := e.lookup(envName(name))
	switch {
	case !ok:
		return Value{}, envName(name) + " is not set", nil
	case text == "":
		return Value{}, envName(name) + " is empty", nil
	}
	return NewValue(text), "", nil
}

type keyringStore struct{}

func (keyringStore) describe() string { return "keyring" }

// get treats a machine without a keyring, such as a container, as one whose keyring lacks the secret.
func (keyringStore) get(_ context.Context, name string) (Value, string, error) {
	text, err := keyring.Get(keyringService, name)
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return Value{}, "no entry of service " + keyringService, nil
	case err != nil:
		return Value{}, "this machine offers no keyring", nil
	}
	return NewValue(text), "is empty", nil
}
