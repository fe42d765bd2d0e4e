package snowfake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// bucket is where stages are on the S3 that is none. Their objects are stages/N/PREFIX/NAME, with N the number of a stage.
const bucket = "snowfake"

// objects keeps what drivers upload by way of S3: decrypted at once, where COPY looks for it, never whole in memory.
type objects struct {
	dir string // of parts that wait for the others
	key []byte // wraps the keys of files; 128 bits, as the driver's default key is

	mu      sync.Mutex
	stages  []string // folders, by number
	uploads map[string]*multipart
	last    int
}

// multipart is an upload in parts.
type multipart struct {
	header http.Header // of the request that began it: it has the metadata
	dir    string
}

func newObjects(temp string) (*objects, error) {
	dir, err := os.MkdirTemp(temp, "snowfake-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for uploads: %w", err)
	}
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return &objects{dir: dir, key: key, uploads: map[string]*multipart{}}, nil
}

// open gives a driver the way into a stage (s3_storage_client.go, createClient and extractBucketNameAndPath). The credentials are good
// for nothing: signatures are not verified.
func (o *objects) open(stage, prefix, queryID string) (stageInfo, *encryptionMaterial) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := slices.Index(o.stages, stage)
	if n < 0 {
		n = len(o.stages)
		o.stages = append(o.stages, stage)
	}
	info := stageInfo{
		LocationType: "S3", Location: fmt.Sprintf("%s/stages/%d/%s", bucket, n, prefix), Region: "us-east-1", ClientEncrypted: true,
		Creds: stageCreds{KeyID: "snowfake", Secret: "snowfake", Token: "snowfake"},
	}
	return info, &encryptionMaterial{MasterKey: base64.StdEncoding.EncodeToString(o.key), QueryID: queryID, SMKID: 1}
}

// file is where an object lies.
func (o *objects) file(key string) (string, error) {
	rest, ok := strings.CutPrefix(key, "stages/")
	number, name, ok2 := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	o.mu.Lock()
	defer o.mu.Unlock()
	if !ok || !ok2 || err != nil || n < 0 || n >= len(o.stages) || !filepath.IsLocal(name) {
		return "", fmt.Errorf("no stage has the object %q", key)
	}
	return filepath.Join(o.stages[n], filepath.FromSlash(name)), nil
}

// begin starts an upload in parts.
func (o *objects) begin(header http.Header) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	id := strconv.Itoa(o.last)
	m := &multipart{header: header, dir: filepath.Join(o.dir, id)}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		return "", err
	}
	o.uploads[id] = m
	return id, nil
}

func (o *objects) multipart(id string) (*multipart, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.uploads[id]
	if m == nil {
		return nil, fmt.Errorf("no upload %q", id)
	}
	return m, nil
}

// forget ends an upload in parts, and its parts.
func (o *objects) forget(id string) error {
	o.mu.Lock()
	m := o.uploads[id]
	delete(o.uploads, id)
	o.mu.Unlock()
	if m == nil {
		return nil
	}
	return os.RemoveAll(m.dir)
}

// part keeps one part until the upload is complete.
func (m *multipart) part(number int, body io.Reader) error {
	return place(filepath.Join(m.dir, strconv.Itoa(number)), func(w io.Writer) error {
		_, err := io.Copy(w, body)
		return err
	})
}

// complete puts parts together in the order of their numbers.
func (o *objects) complete(key, id string, numbers []int) error {
	m, err := o.multipart(id)
	if err != nil {
		return err
	}
	parts := make([]io.Reader, len(numbers))
	for i, n := range numbers {
		f, err := os.Open(filepath.Join(m.dir, strconv.Itoa(n)))
		if err != nil {
			return err
		}
		defer f.Close()
		parts[i] = f
	}
	if err := o.put(key, m.header, io.MultiReader(parts...)); err != nil {
		return err
	}
	return o.forget(id)
}

// put stores an object: as it was before the driver encrypted it.
func (o *objects) put(key string, header http.Header, body io.Reader) error {
	file, err := o.file(key)
	if err != nil {
		return err
	}
	block, iv, err := o.unwrap(header)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(path.Dir(file), 0o755); err != nil {
		return err
	}
	return place(file, func(w io.Writer) error { return decrypt(w, body, cipher.NewCBCDecrypter(block, iv)) })
}

// unwrap finds a file's own key and its start (encrypt_util.go, decryptFileKeyECB; s3_storage_client.go, uploadFile, for the names).
func (o *objects) unwrap(header http.Header) (cipher.Block, []byte, error) {
	wrapped, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Key"))
	if err != nil {
		return nil, nil, err
	}
	iv, err := base64.StdEncoding.DecodeString(header.Get("X-Amz-Meta-X-Amz-Iv"))
	if err != nil {
		return nil, nil, err
	}
	outer, err := aes.NewCipher(o.key)
	if err != nil {
		return nil, nil, err
	}
	if len(wrapped) == 0 || len(wrapped)%aes.BlockSize != 0 || len(iv) != aes.BlockSize {
		return nil, nil, errors.New("the object is not encrypted as the driver does it")
	}
	for at := 0; at < len(wrapped); at += aes.BlockSize {
		outer.Decrypt(wrapped[at:], wrapped[at:])
	}
	key, err := unpad(wrapped)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	return block, iv, err
}

// decrypt undoes encryptStreamCBC (encrypt_util.go), a piece at a time: the padding is in the last.
func decrypt(w io.Writer, r io.Reader, mode cipher.BlockMode) error {
	piece, held := make([]byte, 1<<18), []byte(nil)
	for {
		n, err := io.ReadFull(r, piece)
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return err
		}
		if n%aes.BlockSize != 0 {
			return errors.New("the object does not end with a whole block")
		}
		mode.CryptBlocks(piece[:n], piece[:n])
		if n > 0 {
			if _, err := w.Write(held); err != nil {
				return err
			}
			held = append(held[:0], piece[:n]...)
		}
		if ended {
			break
		}
	}
	last, err := unpad(held)
	if err != nil {
		return err
	}
	_, err = w.Write(last)
	return err
}

func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 || int(b[len(b)-1]) > min(len(b), aes.BlockSize) || b[len(b)-1] == 0 {
		return nil, errors.New("the padding at the end of the encrypted data is wrong")
	}
	return b[:len(b)-int(b[len(b)-1])], nil
}

// encrypted is the size of what the driver stores for a file: padded to the next multiple of 16.
func encrypted(size int64) int64 { return (size/aes.BlockSize + 1) * aes.BlockSize }

// place writes a file so that it is there whole or not at all.
func place(file string, fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".arriving-")
	if err != nil {
		return err
	}
	err = fill(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error is told already
	}
	return err
}
