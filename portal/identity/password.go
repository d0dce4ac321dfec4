package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// argon2Params are the costs of a password hash (OWASP: 19 MiB, two passes).
type argon2Params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

func currentParams() argon2Params { return argon2Params{memory: 19 * 1024, time: 2, threads: 1} }

const (
	saltBytes = 16
	hashBytes = 32
	// hashWait bounds the wait for a free place.
	hashWait = 2 * time.Second
)

var errBusy = errors.New("too many passwords are being checked")

// hasher makes and checks password hashes, a few at a time: each takes 19 MiB.
type hasher struct {
	places chan struct{}
	// unknown is the hash that is checked where there is no account, so that
	// it takes as long.
	unknown string
}

func newHasher(concurrent int) *hasher {
	h := &hasher{places: make(chan struct{}, concurrent)}
	h.unknown = encode(currentParams(), random(saltBytes), random(hashBytes))
	return h
}

func random(n int) []byte {
	raw := make([]byte, n)
	rand.Read(raw) // never fails: it ends the program instead
	return raw
}

// hash returns the password's hash in the PHC string form.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := random(saltBytes)
	return encode(currentParams(), salt, derive(currentParams(), password, salt)), nil
}

// check tells whether the password belongs to the hash.
func (h *hasher) check(ctx context.Context, password, encoded string) (bool, error) {
	params, salt, want, err := decode(encoded)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	return subtle.ConstantTimeCompare(derive(params, password, salt), want) == 1, nil
}

func (h *hasher) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	select {
	case h.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

func (h *hasher) leave() { <-h.places }

func derive(p argon2Params, password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, hashBytes)
}

func base64Hash() *base64.Encoding { return base64.RawStdEncoding.Strict() }

func encode(p argon2Params, salt, hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		base64Hash().EncodeToString(salt), base64Hash().EncodeToString(hash))
}

var errBadHash = errors.New("the stored password hash is damaged")

func decode(encoded string) (p argon2Params, salt, hash []byte, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, nil, nil, errBadHash
	}
	salt, errSalt := base64Hash().DecodeString(parts[4])
	hash, errHash := base64Hash().DecodeString(parts[5])
	if errSalt != nil || errHash != nil || len(hash) != hashBytes || p.time == 0 || p.threads == 0 || p.memory > 1<<20 {
		return p, nil, nil, errBadHash
	}
	return p, salt, hash, nil
}
