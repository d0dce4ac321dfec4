package requesttoken_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// epoch is the present time of these tests.
var epoch = time.Unix(1_800_000_000, 0)

func privateKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func publicKey(seed byte) ed25519.PublicKey {
	return privateKey(seed).Public().(ed25519.PublicKey)
}

func keySet(t testing.TB, seeds ...byte) requesttoken.KeySet {
	t.Helper()
	keys := make([]ed25519.PublicKey, 0, len(seeds))
	for _, seed := range seeds {
		keys = append(keys, publicKey(seed))
	}
	set, err := requesttoken.NewKeySet(keys...)
	if err != nil {
		t.Fatalf("NewKeySet: %v", err)
	}
	return set
}

func signer(t testing.TB, seed byte) *requesttoken.Signer {
	t.Helper()
	s, err := requesttoken.NewSigner(privateKey(seed))
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	return s
}

func goodClaims() requesttoken.Claims {
	return requesttoken.Claims{
		Subject: "user:3f1c", Audience: "uid-1", Method: "POST", Path: "/f/acme/hello",
		Workspace: "acme", Target: "hello",
		IssuedAt: epoch, ExpiresAt: epoch.Add(time.Minute),
	}
}

func expect() requesttoken.Expect {
	return requesttoken.Expect{Audience: "uid-1", Method: "POST", Path: "/f/acme/hello", Now: epoch.Add(time.Second)}
}

func mint(t testing.TB, c requesttoken.Claims) string {
	t.Helper()
	token, err := signer(t, 1).Mint(c)
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	return token
}

func TestMintedTokenVerifies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*requesttoken.Claims)
	}{
		"User":      {"A token for a user must come back as it was made.", func(*requesttoken.Claims) {}},
		"Anonymous": {"A caller without a name is a caller too.", func(c *requesttoken.Claims) { c.Subject = "anonymous" }},
		"Consumer":  {"A consumer's name may hold any visible text.", func(c *requesttoken.Claims) { c.Subject = "consumer:Ö. <x>&" }},
		"TestRun": {"Keys and previews of a test run must come back.", func(c *requesttoken.Claims) {
			c.Keys, c.Previews = []string{"a", "b"}, true
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := goodClaims()
			tc.change(&want)
			got, err := requesttoken.NewVerifier(keySet(t, 1)).Verify(mint(t, want), expect())
			if err != nil {
				t.Fatalf("%s\nVerify: %v", tc.reason, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMintFillsInTimes(t *testing.T) {
	t.Parallel()
	c := goodClaims()
	c.IssuedAt, c.ExpiresAt = time.Time{}, time.Time{}
	before := time.Now()
	e := expect()
	e.Now = before
	got, err := requesttoken.NewVerifier(keySet(t, 1)).Verify(mint(t, c), e)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if got.IssuedAt.Before(before.Add(-time.Second)) || got.ExpiresAt.Sub(got.IssuedAt) != requesttoken.MaxLife {
		t.Errorf("a token without times must begin now and last %s: %v to %v", requesttoken.MaxLife, got.IssuedAt, got.ExpiresAt)
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*requesttoken.Claims){
		"NoSubject":        func(c *requesttoken.Claims) { c.Subject = "" },
		"BareSubject":      func(c *requesttoken.Claims) { c.Subject = "user:" },
		"UnknownSubject":   func(c *requesttoken.Claims) { c.Subject = "root" },
		"NoAudience":       func(c *requesttoken.Claims) { c.Audience = "" },
		"NoMethod":         func(c *requesttoken.Claims) { c.Method = "" },
		"SmallMethod":      func(c *requesttoken.Claims) { c.Method = "post" },
		"NoPath":           func(c *requesttoken.Claims) { c.Path = "" },
		"RelativePath":     func(c *requesttoken.Claims) { c.Path = "f/acme" },
		"NoWorkspace":      func(c *requesttoken.Claims) { c.Workspace = "" },
		"NoTarget":         func(c *requesttoken.Claims) { c.Target = "" },
		"ControlCharacter": func(c *requesttoken.Claims) { c.Target = "a\x00b" },
		"BadUTF8":          func(c *requesttoken.Claims) { c.Target = "a\xff" },
		"EmptyKey":         func(c *requesttoken.Claims) { c.Keys = []string{""} },
		"TooManyKeys":      func(c *requesttoken.Claims) { c.Keys = strings.Split(strings.Repeat("k ", 129)+"k", " ") },
		"TooLong":          func(c *requesttoken.Claims) { c.ExpiresAt = c.IssuedAt.Add(61 * time.Second) },
		"EndsBeforeItIs":   func(c *requesttoken.Claims) { c.ExpiresAt = c.IssuedAt },
		"LongPath":         func(c *requesttoken.Claims) { c.Path = "/" + strings.Repeat("a", 4096) },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := goodClaims()
			change(&c)
			if token, err := signer(t, 1).Mint(c); err == nil {
				t.Errorf("a token that nobody would accept was made: %s", token)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	v := requesttoken.NewVerifier(keySet(t, 1))
	old, err := signer(t, 1).Mint(goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := signer(t, 2).Mint(goodClaims())
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		reason            string
		set               requesttoken.KeySet
		wantOld, wantNext bool
	}{
		{"Before a rotation only the old key counts.", keySet(t, 1), true, false},
		{"During a rotation both do.", keySet(t, 1, 2), true, true},
		{"After it the old one is worth nothing.", keySet(t, 2), false, true},
		{"The empty set verifies nothing.", requesttoken.KeySet{}, false, false},
	}
	for _, s := range steps {
		v.Replace(s.set)
		_, errOld := v.Verify(old, expect())
		_, errNext := v.Verify(fresh, expect())
		if got := [2]bool{errOld == nil, errNext == nil}; got != [2]bool{s.wantOld, s.wantNext} {
			t.Errorf("%s\nold, next accepted: %v", s.reason, got)
		}
	}
}

func TestReplaceWhileInUse(t *testing.T) {
	t.Parallel()
	v := requesttoken.NewVerifier(keySet(t, 1))
	both, token := keySet(t, 1, 2), mint(t, goodClaims())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				v.Replace(both)
				if _, err := v.Verify(token, expect()); err != nil {
					t.Errorf("Verify during Replace: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRememberedTokenIsCheckedAgain(t *testing.T) {
	t.Parallel()
	v, token := requesttoken.NewVerifier(keySet(t, 1)), mint(t, goodClaims())
	if _, err := v.Verify(token, expect()); err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(*requesttoken.Expect){
		"Audience": func(e *requesttoken.Expect) { e.Audience = "uid-2" },
		"Method":   func(e *requesttoken.Expect) { e.Method = "GET" },
		"Path":     func(e *requesttoken.Expect) { e.Path = "/f/acme/other" },
		"Later":    func(e *requesttoken.Expect) { e.Now = epoch.Add(2 * time.Minute) },
		"Earlier":  func(e *requesttoken.Expect) { e.Now = epoch.Add(-time.Minute) },
	}
	for name, change := range cases {
		e := expect()
		change(&e)
		if _, err := v.Verify(token, e); !errors.Is(err, requesttoken.ErrInvalid) {
			t.Errorf("%s: a token that was accepted once must be compared again: %v", name, err)
		}
	}
	if _, err := v.Verify(token, expect()); err != nil {
		t.Errorf("the right request must still pass: %v", err)
	}
}

func TestManyTokens(t *testing.T) {
	t.Parallel()
	v, s := requesttoken.NewVerifier(keySet(t, 1)), signer(t, 1)
	for i := range 1100 {
		c := goodClaims()
		c.Subject = "user:" + strconv.Itoa(i)
		token, err := s.Mint(c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(token, expect())
		if err != nil || got.Subject != c.Subject {
			t.Fatalf("token %d: %q, %v", i, got.Subject, err)
		}
	}
}

func TestExpectMustBeComplete(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*requesttoken.Expect){
		"Audience": func(e *requesttoken.Expect) { e.Audience = "" },
		"Method":   func(e *requesttoken.Expect) { e.Method = "" },
		"Path":     func(e *requesttoken.Expect) { e.Path = "" },
		"Now":      func(e *requesttoken.Expect) { e.Now = time.Time{} },
	}
	token := mint(t, goodClaims())
	for name, change := range cases {
		e := expect()
		change(&e)
		if _, err := requesttoken.NewVerifier(keySet(t, 1)).Verify(token, e); !errors.Is(err, requesttoken.ErrInvalid) {
			t.Errorf("without %s to compare with, nothing may be accepted: %v", name, err)
		}
	}
}

func TestFromHeader(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		header http.Header
		want   string
	}{
		"One":      {"One token is the token.", http.Header{requesttoken.Header: {"a.b.c"}}, "a.b.c"},
		"None":     {"No token is no token.", http.Header{}, ""},
		"Empty":    {"An empty one is none.", http.Header{requesttoken.Header: {""}}, ""},
		"Two":      {"Of two, nobody knows which counts.", http.Header{requesttoken.Header: {"a.b.c", "a.b.c"}}, ""},
		"LookLike": {"A look-alike name is another header.", http.Header{"Weft_request_token": {"a.b.c"}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := requesttoken.FromHeader(tc.header)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%s\ngot %q, %v", tc.reason, got, err)
			}
		})
	}
}

func TestKeySetRoundTrip(t *testing.T) {
	t.Parallel()
	set := keySet(t, 2, 1)
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	again, err := requesttoken.ParseKeySet(data)
	if err != nil {
		t.Fatalf("ParseKeySet of %s: %v", data, err)
	}
	if diff := cmp.Diff(set.IDs(), again.IDs()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if _, err := requesttoken.NewVerifier(again).Verify(mint(t, goodClaims()), expect()); err != nil {
		t.Errorf("a key set that was written and read must verify: %v", err)
	}
	if strings.Contains(string(data), base64.RawURLEncoding.EncodeToString(privateKey(1).Seed())) {
		t.Error("the key set holds a private key")
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(keySet(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSuffix(strings.TrimPrefix(string(good), `{"keys":[`), `]}`)
	x := base64.RawURLEncoding.EncodeToString(publicKey(1))
	cases := map[string]string{
		"Nothing":       ``,
		"Null":          `null`,
		"NoKeys":        `{}`,
		"EmptyKeys":     `{"keys":[]}`,
		"NullKeys":      `{"keys":null}`,
		"NotAList":      `{"keys":{}}`,
		"Trailing":      string(good) + `{}`,
		"TwiceKeys":     `{"keys":[` + key + `],"keys":[` + key + `]}`,
		"Unknown":       `{"keys":[` + key + `],"more":1}`,
		"PrivateKey":    strings.Replace(string(good), `"kty"`, `"d":"AAAA","kty"`, 1),
		"SymmetricKey":  strings.Replace(string(good), `"OKP"`, `"oct"`, 1),
		"OtherCurve":    strings.Replace(string(good), `"Ed25519"`, `"X25519"`, 1),
		"OtherAlg":      strings.Replace(string(good), `"EdDSA"`, `"HS256"`, 1),
		"OtherUse":      strings.Replace(string(good), `"sig"`, `"enc"`, 1),
		"OtherID":       strings.Replace(string(good), `"kid":"`, `"kid":"../`, 1),
		"ShortX":        strings.Replace(string(good), x, x[:40], 1),
		"PaddedX":       strings.Replace(string(good), x, x+"=", 1),
		"NonCanonicalX": strings.Replace(string(good), x, x[:len(x)-1]+string(x[len(x)-1]+1), 1),
		"KeyNotObject":  `{"keys":["` + x + `"]}`,
		"TooLarge":      `{"keys":[` + key + `]}` + strings.Repeat(" ", 64<<10),
		"TooMany":       manyKeys(t, 17),
		"BadUTF8":       "{\"keys\":[\"\xff\"]}",
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := requesttoken.ParseKeySet([]byte(data)); !errors.Is(err, requesttoken.ErrKeySet) {
				t.Errorf("accepted, or another error: %v", err)
			}
		})
	}
}

func manyKeys(t *testing.T, n byte) string {
	t.Helper()
	var keys []string
	for seed := range n {
		data, err := json.Marshal(keySet(t, seed+1))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.TrimSuffix(strings.TrimPrefix(string(data), `{"keys":[`), `]}`))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

func TestNewRefusesShortKeys(t *testing.T) {
	t.Parallel()
	if _, err := requesttoken.NewSigner(privateKey(1)[:31]); err == nil {
		t.Error("a private key that is too short was taken")
	}
	if _, err := requesttoken.NewKeySet(publicKey(1)[:31]); err == nil {
		t.Error("a public key that is too short was taken")
	}
	if _, err := requesttoken.NewKeySet(); err == nil {
		t.Error("a set without keys was taken")
	}
}

func BenchmarkMint(b *testing.B) {
	s, c := signer(b, 1), goodClaims()
	for b.Loop() {
		if _, err := s.Mint(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	set, token, e := keySet(b, 1), mint(b, goodClaims()), expect()
	v := requesttoken.NewVerifier(set)
	for b.Loop() {
		v.Replace(set)
		if _, err := v.Verify(token, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAgain(b *testing.B) {
	v, token, e := requesttoken.NewVerifier(keySet(b, 1)), mint(b, goodClaims()), expect()
	for b.Loop() {
		if _, err := v.Verify(token, e); err != nil {
			b.Fatal(err)
		}
	}
}
