package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/catalog"
)

const canary = "sk-canary-0123456789abcdef"

func newTestSealer(t *testing.T) *sealer {
	t.Helper()
	made, err := keys.NewVault()
	if err != nil {
		t.Fatal(err)
	}
	handle, err := keys.ParseVault(made)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSealer(handle)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func binding(name string, version int64) store.Binding {
	return store.Binding{WorkspaceID: store.NewID(), KeyID: store.NewID(), Name: name, Version: version}
}

func sealedAt(t *testing.T, s *sealer, value string, b store.Binding) store.SealedKey {
	t.Helper()
	sealed, err := s.seal(catalog.NewSecret(value), b)
	if err != nil {
		t.Fatal(err)
	}
	return store.SealedKey{KeyID: b.KeyID, WorkspaceID: b.WorkspaceID, Name: b.Name, Version: b.Version, Sealed: sealed}
}

func TestSealOpens(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t)
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.String().Draw(rt, "value")
		opened, err := s.open(sealedAt(t, s, value, binding("key", rapid.Int64Min(1).Draw(rt, "version"))))
		if err != nil || opened.Reveal() != value {
			rt.Fatalf("opened %d bytes, %v", len(opened.Reveal()), err)
		}
	})
}

// TestCiphertextCannotBeAltered holds the first half of promise V2: each byte
// of each field, flipped, is refused.
func TestCiphertextCannotBeAltered(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t)
	good := sealedAt(t, s, canary, binding("chat-gpt-apikey", 3))
	if _, err := s.open(good); err != nil {
		t.Fatalf("the unaltered row must open, or this test proves nothing: %v", err)
	}
	refused := func(what string, bent store.SealedKey) {
		t.Helper()
		if value, err := s.open(bent); err == nil || !value.Empty() {
			t.Errorf("%s was opened", what)
		}
	}
	flips := func(what string, field []byte, set func(*store.SealedKey, []byte)) {
		for i := range field {
			for _, bit := range []byte{1, 0x80} {
				bent := good
				changed := slices.Clone(field)
				changed[i] ^= bit
				set(&bent, changed)
				refused(fmt.Sprintf("%s with byte %d changed", what, i), bent)
			}
		}
		cut := good
		set(&cut, field[:len(field)-1])
		refused(what+" cut", cut)
		longer := good
		set(&longer, append(slices.Clone(field), 0))
		refused(what+" with a byte more", longer)
	}
	flips("ciphertext", good.Ciphertext, func(k *store.SealedKey, b []byte) { k.Ciphertext = b })
	flips("wrapped key", good.WrappedDEK, func(k *store.SealedKey, b []byte) { k.WrappedDEK = b })
	flips("name of the key-encryption key", []byte(good.KEKID), func(k *store.SealedKey, b []byte) { k.KEKID = string(b) })
	flips("name", []byte(good.Name), func(k *store.SealedKey, b []byte) { k.Name = string(b) })
	for i := range good.KeyID {
		bent := good
		bent.KeyID[i] ^= 1
		refused("key id", bent)
		bent = good
		bent.WorkspaceID[i] ^= 1
		refused("workspace id", bent)
	}
	for _, version := range []int64{0, 1, 2, 4, -3} {
		bent := good
		bent.Version = version
		refused("version", bent)
	}
}

// TestCiphertextCannotBeMoved holds the second half of promise V2: rows swapped
// between keys, versions and tenants are refused, whole and by halves.
func TestCiphertextCannotBeMoved(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t)
	base := binding("key", 2)
	rows := map[string]store.SealedKey{"base": sealedAt(t, s, canary, base)}
	for name, change := range map[string]func(*store.Binding){
		"tenant":  func(b *store.Binding) { b.WorkspaceID = store.NewID() },
		"key":     func(b *store.Binding) { b.KeyID = store.NewID() },
		"version": func(b *store.Binding) { b.Version = 1 },
		"name":    func(b *store.Binding) { b.Name = "other" },
	} {
		b := base
		change(&b)
		rows[name] = sealedAt(t, s, "sk-other", b)
	}
	for from, source := range rows {
		for to, target := range rows {
			if from == to {
				continue
			}
			whole, value, dek := target, target, target
			whole.Sealed = source.Sealed
			value.Ciphertext = source.Ciphertext
			dek.WrappedDEK = source.WrappedDEK
			for what, moved := range map[string]store.SealedKey{"row": whole, "value": value, "data key": dek} {
				if _, err := s.open(moved); err == nil {
					t.Errorf("the %s of %s was opened at %s", what, from, to)
				}
			}
		}
	}
	if _, err := newTestSealer(t).open(rows["base"]); err == nil {
		t.Error("another key-encryption key opened it")
	}
}

func TestAssociatedDataIsUnambiguous(t *testing.T) {
	t.Parallel()
	b := binding("ab", 1)
	c := b
	c.Name = "a"
	if bytes.Equal(associatedData("x", b, "c"), associatedData("x", c, "bc")) {
		t.Error("two bindings have the same associated data")
	}
}

// TestSameValueLooksDifferent shows that equal keys cannot be told from their
// ciphertexts.
func TestSameValueLooksDifferent(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t)
	b := binding("key", 1)
	one, two := sealedAt(t, s, canary, b), sealedAt(t, s, canary, b)
	if bytes.Equal(one.Ciphertext, two.Ciphertext) || bytes.Equal(one.WrappedDEK, two.WrappedDEK) {
		t.Error("two encryptions are equal")
	}
	if bytes.Contains(one.Ciphertext, []byte("canary")) {
		t.Error("the ciphertext holds the key")
	}
}

// TestFetchedDoesNotPrint holds promise V6 for the values that the vault passes
// around.
func TestFetchedDoesNotPrint(t *testing.T) {
	t.Parallel()
	fetched := Fetched{Version: 1, Value: catalog.NewSecret(canary)}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "fetched", fetched, "map", map[string]Fetched{"k": fetched})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "fetched", fetched, "pointer", &fetched)
	encoded, err := json.Marshal(map[string]any{"k": fetched})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(encoded), fmt.Errorf("wrapped: %w", fmt.Errorf("%v", fetched)).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		shown = append(shown, fmt.Sprintf(verb, fetched), fmt.Sprintf(verb, &fetched), fmt.Sprintf(verb, []Fetched{fetched}), fmt.Sprintf(verb, fetched.Value))
	}
	for _, text := range shown {
		if strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
			t.Errorf("a key slips out: %s", text)
		}
	}
}

// probes are the probes of a database.
type probes struct{ kept []store.KEKProbe }

// KEKProbes returns them.
func (p *probes) KEKProbes(context.Context) ([]store.KEKProbe, error) { return p.kept, nil }

// AddKEKProbe keeps one.
func (p *probes) AddKEKProbe(_ context.Context, probe store.KEKProbe) error {
	p.kept = append(p.kept, probe)
	return nil
}

func TestSelfTest(t *testing.T) {
	t.Parallel()
	first := newTestSealer(t)
	database := &probes{}
	for range 2 {
		if err := first.selfTest(t.Context(), database); err != nil {
			t.Fatalf("the first key, start and restart: %v", err)
		}
	}
	if len(database.kept) != 1 {
		t.Errorf("%d probes after two starts, want 1", len(database.kept))
	}
	err := newTestSealer(t).selfTest(t.Context(), database)
	if err == nil || !strings.Contains(err.Error(), "weft-vault-kek") || !strings.Contains(err.Error(), first.kekID) {
		t.Errorf("another key: %v, want an error that names the Secret and the key", err)
	}
	bent := &probes{kept: []store.KEKProbe{{KEKID: first.kekID, Ciphertext: []byte("x")}}}
	if err := first.selfTest(t.Context(), bent); err == nil {
		t.Error("a damaged probe was accepted")
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"sk-aiusdniausdniuahsdiuasd132": "openai", "sk-ant-x": "anthropic", "sk-or-x": "openrouter", "AIzaX": "google", "gsk_x": "groq", "hello": "other", "": "other",
	} {
		if got := guessProvider(catalog.NewSecret(key)); got != want {
			t.Errorf("provider of %q: %q, want %q", key, got, want)
		}
	}
	for title, want := range map[string]string{
		"Chat gpt apikey": "chat-gpt-apikey", "  x  ": "x", "Ñandú": "nandu", "クレジット": "key", "a--b": "a-b", strings.Repeat("x", 100): strings.Repeat("x", 63),
		strings.Repeat("x", 62) + " y": strings.Repeat("x", 62),
	} {
		if got := reference(title); got != want {
			t.Errorf("reference of %q: %q, want %q", title, got, want)
		}
	}
	if got := last4(catalog.NewSecret("short")); got != "" {
		t.Errorf("last four of a short key: %q", got)
	}
}

var errMatch = errors.New("x")

func TestMissingErrorIsFound(t *testing.T) {
	t.Parallel()
	missing, ok := isMissing(fmt.Errorf("reading: %w", &MissingError{Names: []string{"a"}}))
	if !ok || missing.Names[0] != "a" {
		t.Error("a wrapped MissingError is not found")
	}
	if _, ok := isMissing(errMatch); ok {
		t.Error("another error is taken for one")
	}
}
