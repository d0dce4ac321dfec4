package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const value = "sk-canary-0123456789"

func codeOf(err error) v1alpha1.ErrorCode {
	if problem, ok := errors.AsType[*catalog.Error](err); ok {
		return problem.Code
	}
	return ""
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("making a folder: %v", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("writing a file: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, value)
	write(t, filepath.Join(dir, "openai", "key"), value+"\n")
	write(t, filepath.Join(dir, "openai", "large"), strings.Repeat("x", maxSecret+1))
	if err := os.Symlink(outside, filepath.Join(dir, "openai", "link")); err != nil {
		t.Fatalf("making a link: %v", err)
	}
	cases := map[string]struct {
		reason    string
		dir       string
		name, key string
		want      string
	}{
		"there":         {"A value without the line break that files end in.", dir, "openai", "key", value},
		"no such key":   {"A key that is absent.", dir, "openai", "other", ""},
		"no such name":  {"A Secret that is absent.", dir, "other", "key", ""},
		"upwards":       {"Names do not lead out of the folder.", dir, "..", "outside", ""},
		"upwards, key":  {"Nor do keys.", dir, "openai", "../../outside", ""},
		"link":          {"Nor do links.", dir, "openai", "link", ""},
		"folder":        {"A folder is no value.", dir, "openai", ".", ""},
		"too large":     {"A value has a bound.", dir, "openai", "large", ""},
		"nothing there": {"Without a folder there are no Secrets.", "", "openai", "key", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := New(Files{Dir: tc.dir}, nil)
			got, err := source.Resolve(t.Context(), &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: tc.name, Key: tc.key}})
			if diff := cmp.Diff(tc.want, got.Reveal()); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
			if (tc.want == "") != (codeOf(err) == v1alpha1.ErrorUnauthorized) {
				t.Errorf("%s\ngot %v", tc.reason, err)
			}
		})
	}
}

// TestFilesFollowTheKubelet replaces a Secret as the kubelet does: by pointing
// the link ..data to another folder.
func TestFilesFollowTheKubelet(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "openai")
	write(t, filepath.Join(dir, "..2026_1", "key"), "first")
	write(t, filepath.Join(dir, "..2026_2", "key"), "second")
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatalf("making a link: %v", err)
		}
	}
	link("..2026_1", "..data")
	link(filepath.Join("..data", "key"), "key")
	files, ref := Files{Dir: filepath.Dir(dir)}, &v1alpha1.SecretKeyRef{Name: "openai", Key: "key"}
	first, err := files.Read(ref)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	link("..2026_2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatalf("replacing: %v", err)
	}
	second, err := files.Read(ref)
	if err != nil {
		t.Fatalf("reading again: %v", err)
	}
	if diff := cmp.Diff([]string{"first", "second"}, []string{first.Reveal(), second.Reveal()}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoReferenceIsNoSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []*v1alpha1.Credential{nil, {}} {
		got, err := New(Files{}, nil).Resolve(t.Context(), c)
		if err != nil || !got.Empty() {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

// fakeVault serves keys over HTTP.
func fakeVault(t *testing.T, status int, body string, seen *http.Request) *Vault {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		*seen = *r
		seen.Form = map[string][]string{"body": {string(data)}}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return
		}
	}))
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "pod-token\n")
	return NewVault(server.URL+"/", token)
}

func TestVault(t *testing.T) {
	t.Parallel()
	good := `{"success":"true","keys":{"chat":{"version":3,"value":"` + value + `"}}}`
	cases := map[string]struct {
		reason string
		status int
		body   string
		want   error
	}{
		"good":       {"Keys come by name.", 200, good, nil},
		"denied":     {"403 is a denial.", 403, `{"success":"false","message":"no key ` + value + `"}`, ErrDenied},
		"trouble":    {"500 is not.", 500, `{"success":"false"}`, ErrUnavailable},
		"wrong pod":  {"401 is not either: the pod's token may be about to be replaced.", 401, ``, ErrUnavailable},
		"redirect":   {"Redirects are not followed.", 302, ``, ErrUnavailable},
		"garbage":    {"An answer that is none.", 200, `<html>` + value, ErrUnavailable},
		"other type": {"An answer of another type.", 200, `{"keys":{"chat":{"value":["` + value + `"]}}}`, ErrUnavailable},
		"other key":  {"An answer without what was asked for.", 200, `{"keys":{"other":{"value":"x"}}}`, ErrUnavailable},
		"empty key":  {"An empty value.", 200, `{"keys":{"chat":{"value":""}}}`, ErrUnavailable},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen http.Request
			keys, err := fakeVault(t, tc.status, tc.body, &seen).Fetch(t.Context(), []string{"chat"}, "run-token")
			if !errors.Is(err, tc.want) {
				t.Fatalf("%s\ngot %v, want %v", tc.reason, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("the error repeats what the vault said: %v", err)
			}
			if err == nil && keys["chat"].Reveal() != value {
				t.Errorf("%s\ngot %v", tc.reason, keys)
			}
			want := []string{"POST", "/internal/vault/fetch", "Bearer pod-token", "run-token", `{"names":["chat"]}`}
			got := []string{seen.Method, seen.URL.Path, seen.Header.Get("Authorization"), seen.Header.Get(requesttoken.Header), seen.Form.Get("body")}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVaultWithoutToken(t *testing.T) {
	t.Parallel()
	_, err := NewVault("http://127.0.0.1:1", filepath.Join(t.TempDir(), "absent")).Fetch(t.Context(), []string{"chat"}, "")
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want it to be unavailable", err)
	}
}

// script is a vault that answers as it is told.
type script struct {
	mu     sync.Mutex
	keys   map[string]string
	down   bool
	asked  [][]string
	tokens []string
}

func (s *script) Fetch(_ context.Context, names []string, token string) (map[string]catalog.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, names)
	s.tokens = append(s.tokens, token)
	if s.down {
		return nil, fmt.Errorf("%w: down", ErrUnavailable)
	}
	out := map[string]catalog.Secret{}
	for _, name := range names {
		key, ok := s.keys[name]
		if !ok {
			return nil, fmt.Errorf("%w: absent", ErrDenied)
		}
		out[name] = catalog.NewSecret(key)
	}
	return out, nil
}

func (s *script) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// want checks a key: its value, or the code of the error.
func want(t *testing.T, keys Keys, name, value string, code v1alpha1.ErrorCode) {
	t.Helper()
	got, err := keys.Key(t.Context(), name)
	if got.Reveal() != value || codeOf(err) != code {
		t.Errorf("key %s: got %q and %v, want %q and code %q", name, got.Reveal(), err, value, code)
	}
}

// pass lets time pass. Tests with it run on a clock of their own.
func pass(d time.Duration) { <-time.After(d) }

func running(t *testing.T, vault *script, names ...string) *Cache {
	t.Helper()
	cache := NewCache(vault, names, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go cache.Run(ctx)
	synctest.Wait()
	return cache
}

func TestCacheFollowsTheVault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vault := &script{keys: map[string]string{"chat": "one"}}
		cache := running(t, vault, "chat")
		want(t, cache, "chat", "one", "")

		vault.change(func() { vault.keys["chat"] = "two" })
		want(t, cache, "chat", "one", "")
		pass(refreshEvery + time.Second)
		want(t, cache, "chat", "two", "")

		vault.change(func() { vault.down = true })
		pass(10 * refreshEvery)
		want(t, cache, "chat", "two", "")

		vault.change(func() { vault.down = false; delete(vault.keys, "chat") })
		pass(refreshEvery + time.Second)
		want(t, cache, "chat", "", v1alpha1.ErrorUnauthorized)

		vault.change(func() { vault.keys["chat"] = "three" })
		pass(askAgainAfter)
		want(t, cache, "chat", "three", "")
	})
}

func TestCacheAsksAgainWhenAKeyWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vault := &script{keys: map[string]string{"chat": "one"}}
		cache := running(t, vault, "chat")
		vault.change(func() { vault.keys["chat"] = "two" })
		pass(askAgainAfter)
		cache.Expire()
		want(t, cache, "chat", "two", "")
		// However often a service refuses it, the vault is not flooded.
		for range 100 {
			cache.Expire()
			want(t, cache, "chat", "two", "")
		}
		if n := len(vault.asked); n != 2 {
			t.Errorf("the vault was asked %d times, want 2", n)
		}
	})
}

func TestCacheTellsKeysApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vault := &script{keys: map[string]string{"chat": "one"}}
		cache := running(t, vault, "chat", "gone")
		want(t, cache, "chat", "one", "")
		want(t, cache, "gone", "", v1alpha1.ErrorUnauthorized)
		_, err := cache.Key(t.Context(), "gone")
		if !strings.Contains(err.Error(), `"gone"`) {
			t.Errorf("the error does not name the key: %v", err)
		}
	})
}

func TestCacheWithTheVaultDownFromTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vault := &script{down: true, keys: map[string]string{"chat": "one"}}
		cache := running(t, vault, "chat")
		for range 100 {
			want(t, cache, "chat", "", v1alpha1.ErrorUpstream)
		}
		vault.change(func() { vault.down = false })
		pass(askAgainAfter)
		want(t, cache, "chat", "one", "")
		if n := len(vault.asked); n != 2 {
			t.Errorf("the vault was asked %d times, want 2", n)
		}
	})
}

func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	vault := &script{keys: map[string]string{"chat": "one"}}
	cache := NewCache(vault, []string{"chat"}, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { want(t, cache, "chat", "one", "") })
	}
	wg.Wait()
	if n := len(vault.asked); n != 1 {
		t.Errorf("the vault was asked %d times, want once", n)
	}
}

func TestRunKeys(t *testing.T) {
	t.Parallel()
	vault := &script{keys: map[string]string{"chat": "one", "mail": "two"}}
	keys := NewRunKeys(vault, "run-token")
	keys.Prefetch(t.Context(), nil)
	keys.Prefetch(t.Context(), []string{"chat", "mail"})
	want(t, keys, "chat", "one", "")
	want(t, keys, "mail", "two", "")
	want(t, keys, "gone", "", v1alpha1.ErrorUnauthorized)
	want(t, keys, "gone", "", v1alpha1.ErrorUnauthorized)
	if diff := cmp.Diff([][]string{{"chat", "mail"}, {"gone"}}, vault.asked); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}
	if slices.ContainsFunc(vault.tokens, func(token string) bool { return token != "run-token" }) {
		t.Errorf("asked with tokens %v", vault.tokens)
	}
}

func TestRunKeysWithOneMissing(t *testing.T) {
	t.Parallel()
	vault := &script{keys: map[string]string{"chat": "one"}}
	keys := NewRunKeys(vault, "run-token")
	keys.Prefetch(t.Context(), []string{"chat", "gone"})
	want(t, keys, "chat", "one", "")
	want(t, keys, "gone", "", v1alpha1.ErrorUnauthorized)
	vault.change(func() { vault.down = true })
	other := NewRunKeys(vault, "run-token")
	want(t, other, "chat", "", v1alpha1.ErrorUpstream)
}

// TestKeysDoNotSlipOut holds promise V6 for what this package keeps.
func TestKeysDoNotSlipOut(t *testing.T) {
	t.Parallel()
	vault := &script{keys: map[string]string{"chat": value}}
	cache := NewCache(vault, []string{"chat"}, slog.New(slog.DiscardHandler))
	keys := NewRunKeys(vault, "run-token")
	want(t, cache, "chat", value, "")
	want(t, keys, "chat", value, "")
	secret, err := cache.Key(t.Context(), "chat")
	if err != nil {
		t.Fatalf("reading the key: %v", err)
	}
	asJSON, err := json.Marshal(map[string]any{"key": secret})
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	texts := []string{string(asJSON), fmt.Sprint(secret), slog.AnyValue(secret).String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, cache.keys), fmt.Sprintf(verb, keys.known))
	}
	for _, text := range texts {
		if strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
			t.Errorf("the key is in %q", text)
		}
	}
}
