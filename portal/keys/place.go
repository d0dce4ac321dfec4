package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Names of the files that hold the key material.
const (
	IdentityFile = "identity.json"
	RequestFile  = "request.json"
	VaultFile    = "vault.json"
	TrustFile    = "jwks.json"
)

// ErrAbsent means that the place does not hold that material.
var ErrAbsent = errors.New("key material is absent")

// Place keeps key material.
type Place interface {
	// Get returns the content of a file, or ErrAbsent.
	Get(ctx context.Context, file string) ([]byte, error)
	// Create keeps a file unless there is one already; whoever comes second
	// gets no error and changes nothing.
	Create(ctx context.Context, file string, data []byte) error
	// Publish keeps the public file that runtimes trust.
	Publish(ctx context.Context, file string, data []byte) error
	// Name says where the file is, for people.
	Name(file string) string
}

// kind is a secret that must be there.
type kind struct {
	file  string
	fresh func() ([]byte, error)
	check func(data []byte) error
}

func kinds() []kind {
	return []kind{
		{IdentityFile, NewIdentity, func(data []byte) error { _, err := ParseIdentity(data); return err }},
		{RequestFile, NewRequest, func(data []byte) error { _, err := ParseRequest(data); return err }},
		{VaultFile, NewVault, func(data []byte) error { _, err := ParseVault(data); return err }},
	}
}

// Init makes what is missing and checks what is there. It is safe to repeat,
// and for several to run at once: the first one's keys stand.
func Init(ctx context.Context, place Place) error {
	for _, kind := range kinds() {
		if err := ensure(ctx, place, kind.file, kind.fresh); err != nil {
			return err
		}
		data, err := place.Get(ctx, kind.file)
		if err != nil {
			return fmt.Errorf("reading %s: %w", place.Name(kind.file), err)
		}
		if err := kind.check(data); err != nil {
			return damaged(place.Name(kind.file), err)
		}
	}
	return publish(ctx, place)
}

func ensure(ctx context.Context, place Place, file string, fresh func() ([]byte, error)) error {
	_, err := place.Get(ctx, file)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrAbsent) {
		return fmt.Errorf("reading %s: %w", place.Name(file), err)
	}
	data, err := fresh()
	if err != nil {
		return err
	}
	if err := place.Create(ctx, file, data); err != nil {
		return fmt.Errorf("keeping %s: %w", place.Name(file), err)
	}
	return nil
}

func publish(ctx context.Context, place Place) error {
	data, err := place.Get(ctx, RequestFile)
	if err != nil {
		return fmt.Errorf("reading %s: %w", place.Name(RequestFile), err)
	}
	request, err := ParseRequest(data)
	if err != nil {
		return damaged(place.Name(RequestFile), err)
	}
	trust, err := request.Trust()
	if err != nil {
		return damaged(place.Name(RequestFile), err)
	}
	public, err := json.Marshal(trust)
	if err != nil {
		return fmt.Errorf("writing the public keys: %w", err)
	}
	if err := place.Publish(ctx, TrustFile, public); err != nil {
		return fmt.Errorf("keeping %s: %w", place.Name(TrustFile), err)
	}
	return nil
}

func damaged(name string, err error) error {
	return fmt.Errorf("%s is damaged: %w; restore it from a backup (making a new one would lose what the old one protects)", name, err)
}

// Dir keeps key material in a folder, with a folder in it for each Secret:
// mounted Secrets, or a developer's.
type Dir string

func (d Dir) path(file string) string { return filepath.Join(string(d), objectName(file), file) }

// Get reads a file.
func (d Dir) Get(_ context.Context, file string) ([]byte, error) {
	data, err := os.ReadFile(d.path(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, fmt.Errorf("reading a file: %w", err)
	}
	return data, nil
}

// Create writes a file, whole or not at all, unless there is one.
func (d Dir) Create(_ context.Context, file string, data []byte) error {
	temporary, err := d.write(file, data, 0o600)
	if err != nil {
		return err
	}
	err = os.Link(temporary, d.path(file))
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(temporary))
}

// Publish writes a file that everybody may read.
func (d Dir) Publish(_ context.Context, file string, data []byte) error {
	temporary, err := d.write(file, data, 0o644)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, d.path(file)); err != nil {
		return fmt.Errorf("putting a file in its place: %w", err)
	}
	return nil
}

func (d Dir) write(file string, data []byte, mode fs.FileMode) (name string, err error) {
	folder := filepath.Dir(d.path(file))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making the folder: %w", err)
	}
	f, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return "", fmt.Errorf("making a file: %w", err)
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

// Name says where the file is.
func (d Dir) Name(file string) string { return d.path(file) }

// LoadIdentity reads the keys of access tokens.
func LoadIdentity(ctx context.Context, place Place) (Identity, error) {
	return load(ctx, place, IdentityFile, ParseIdentity)
}

// LoadRequest reads the keys of request tokens.
func LoadRequest(ctx context.Context, place Place) (Request, error) {
	return load(ctx, place, RequestFile, ParseRequest)
}

// LoadVault reads the vault's key-encryption key.
func LoadVault(ctx context.Context, place Place) (*keyset.Handle, error) {
	return load(ctx, place, VaultFile, ParseVault)
}

func load[T any](ctx context.Context, place Place, file string, parse func([]byte) (T, error)) (T, error) {
	var none T
	data, err := place.Get(ctx, file)
	if errors.Is(err, ErrAbsent) {
		return none, fmt.Errorf("%s is missing: run `portal init` once, which makes it", place.Name(file))
	}
	if err != nil {
		return none, fmt.Errorf("reading %s: %w", place.Name(file), err)
	}
	keys, err := parse(data)
	if err != nil {
		return none, damaged(place.Name(file), err)
	}
	return keys, nil
}
