package requesttoken_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// bent makes tokens by hand: everything that a signer of ours would never do.
type bent struct{ header, payload string }

func good() bent {
	return bent{
		header:  `{"alg":"EdDSA","kid":"` + requesttoken.KeyID(publicKey(1)) + `","typ":"weft-request+jwt"}`,
		payload: payload(epoch.Unix(), epoch.Unix()+60),
	}
}

func payload(iat, exp int64) string {
	return fmt.Sprintf(`{"iss":"weft","sub":"user:3f1c","aud":"uid-1","iat":%d,"exp":%d,"htm":"POST","htu":"/f/acme/hello","ws":"acme","tgt":"hello"}`, iat, exp)
}

func (b bent) in(old, bad string) bent {
	if !strings.Contains(b.payload, old) && !strings.Contains(b.header, old) {
		panic("nothing to bend: " + old)
	}
	return bent{header: strings.Replace(b.header, old, bad, 1), payload: strings.Replace(b.payload, old, bad, 1)}
}

// at replaces the times of the payload, in seconds after epoch.
func (b bent) at(iat, exp int64) string {
	return bent{header: b.header, payload: payload(epoch.Unix()+iat, epoch.Unix()+exp)}.sign()
}

var enc = base64.RawURLEncoding

func (b bent) input() string {
	return enc.EncodeToString([]byte(b.header)) + "." + enc.EncodeToString([]byte(b.payload))
}

// sign signs with the right key whatever stands there.
func (b bent) sign() string {
	return b.input() + "." + enc.EncodeToString(ed25519.Sign(privateKey(1), []byte(b.input())))
}

func (b bent) signWith(seed byte) string {
	return b.input() + "." + enc.EncodeToString(ed25519.Sign(privateKey(seed), []byte(b.input())))
}

// hmac signs with the public key as if it were a shared secret.
func (b bent) hmac(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(b.input()))
	return b.input() + "." + enc.EncodeToString(mac.Sum(nil))
}

// last replaces the token's last character: the same signature bytes with
// other bits in the unused part, which a lenient decoder would take.
func last(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[i^1])
}

func parts(token string) (head, body, sig string) {
	p := strings.Split(token, ".")
	return p[0], p[1], p[2]
}

func bentTokens() map[string]string {
	g := good()
	head, body, sig := parts(g.sign())
	kid := requesttoken.KeyID(publicKey(1))
	return map[string]string{
		// algorithms
		"AlgNone":              g.in("EdDSA", "none").input() + ".",
		"AlgNoneSigned":        g.in("EdDSA", "none").sign(),
		"AlgNoneCapital":       g.in("EdDSA", "NONE").input() + ".",
		"AlgHS256PublicKey":    g.in("EdDSA", "HS256").hmac(publicKey(1)),
		"AlgHS256PublicText":   g.in("EdDSA", "HS256").hmac([]byte(enc.EncodeToString(publicKey(1)))),
		"AlgHS256Signed":       g.in("EdDSA", "HS256").sign(),
		"AlgRS256Signed":       g.in("EdDSA", "RS256").sign(),
		"AlgES256Signed":       g.in("EdDSA", "ES256").sign(),
		"AlgEd25519":           g.in("EdDSA", "Ed25519").sign(),
		"AlgSmall":             g.in("EdDSA", "eddsa").sign(),
		"AlgMissing":           g.in(`"alg":"EdDSA",`, "").sign(),
		"AlgNull":              g.in(`"EdDSA"`, "null").sign(),
		"AlgList":              g.in(`"EdDSA"`, `["EdDSA"]`).sign(),
		"AlgTwice":             g.in(`"alg":"EdDSA"`, `"alg":"none","alg":"EdDSA"`).sign(),
		"AlgTwiceByCase":       g.in(`"alg":"EdDSA"`, `"Alg":"none","alg":"EdDSA"`).sign(),
		"AlgTwiceEscaped":      g.in(`"alg":"EdDSA"`, `"\u0061lg":"none","alg":"EdDSA"`).sign(),
		"HMACUnderEdDSAHeader": g.hmac(publicKey(1)),
		// header parameters
		"JKU":           g.in(`"typ"`, `"jku":"https://evil.example/jwks","typ"`).signWith(9),
		"JKUSigned":     g.in(`"typ"`, `"jku":"https://evil.example/jwks","typ"`).sign(),
		"X5U":           g.in(`"typ"`, `"x5u":"https://evil.example/cert","typ"`).sign(),
		"X5C":           g.in(`"typ"`, `"x5c":["AAAA"],"typ"`).sign(),
		"EmbeddedJWK":   g.in(`"typ"`, `"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+enc.EncodeToString(publicKey(9))+`"},"typ"`).signWith(9),
		"Crit":          g.in(`"typ"`, `"crit":["exp"],"typ"`).sign(),
		"Unencoded":     g.in(`"typ"`, `"b64":false,"typ"`).sign(),
		"Compressed":    g.in(`"typ"`, `"zip":"DEF","typ"`).sign(),
		"ContentType":   g.in(`"typ"`, `"cty":"JWT","typ"`).sign(),
		"KidPath":       g.in(kid, "../../../../dev/null").sign(),
		"KidSQL":        g.in(kid, "x' UNION SELECT 'k").sign(),
		"KidEmpty":      g.in(kid, "").sign(),
		"KidMissing":    g.in(`"kid":"`+kid+`",`, "").sign(),
		"KidNumber":     g.in(`"`+kid+`"`, "1").sign(),
		"KidOther":      g.in(kid, requesttoken.KeyID(publicKey(2))).sign(),
		"KidUnknown":    g.in(kid, requesttoken.KeyID(publicKey(9))).signWith(9),
		"KidTwice":      g.in(`"kid":`, `"kid":"x","kid":`).sign(),
		"TypMissing":    g.in(`,"typ":"weft-request+jwt"`, "").sign(),
		"TypJWT":        g.in("weft-request+jwt", "JWT").sign(),
		"TypAccess":     g.in("weft-request+jwt", "at+jwt").sign(),
		"TypCase":       g.in("weft-request+jwt", "Weft-Request+JWT").sign(),
		"TypMedia":      g.in("weft-request+jwt", "application/weft-request+jwt").sign(),
		"HeaderTrailer": g.in(`+jwt"}`, `+jwt"}{}`).sign(),
		"HeaderArray":   bent{header: `["EdDSA"]`, payload: g.payload}.sign(),
		"HeaderLong":    g.in(`{"alg"`, `{`+strings.Repeat(" ", 300)+`"alg"`).sign(),
		// claims
		"IssOther":        g.in(`"iss":"weft"`, `"iss":"evil"`).sign(),
		"IssMissing":      g.in(`"iss":"weft",`, "").sign(),
		"IssSuffix":       g.in(`"iss":"weft"`, `"iss":"weft.evil"`).sign(),
		"AudOther":        g.in("uid-1", "uid-2").sign(),
		"AudMissing":      g.in(`"aud":"uid-1",`, "").sign(),
		"AudEmpty":        g.in("uid-1", "").sign(),
		"AudList":         g.in(`"uid-1"`, `["uid-1"]`).sign(),
		"AudListOfTwo":    g.in(`"uid-1"`, `["uid-2","uid-1"]`).sign(),
		"AudPrefix":       g.in("uid-1", "uid-11").sign(),
		"AudTwice":        g.in(`"aud":"uid-1"`, `"aud":"uid-2","aud":"uid-1"`).sign(),
		"AudTwiceByCase":  g.in(`"aud":"uid-1"`, `"Aud":"uid-1","aud":"uid-2"`).sign(),
		"AudByCaseOnly":   g.in(`"aud"`, `"AUD"`).sign(),
		"SubMissing":      g.in(`"sub":"user:3f1c",`, "").sign(),
		"SubEmpty":        g.in("user:3f1c", "").sign(),
		"SubUnknownKind":  g.in("user:3f1c", "admin:1").sign(),
		"SubAlmostAnonym": g.in("user:3f1c", "Anonymous").sign(),
		"SubTwice":        g.in(`"sub":`, `"sub":"user:1","sub":`).sign(),
		"SubNumber":       g.in(`"user:3f1c"`, "7").sign(),
		"SubNull":         g.in(`"user:3f1c"`, "null").sign(),
		"MethodOther":     g.in("POST", "GET").sign(),
		"MethodMissing":   g.in(`"htm":"POST",`, "").sign(),
		"MethodSmall":     g.in("POST", "post").sign(),
		"PathOther":       g.in("/f/acme/hello", "/f/acme/other").sign(),
		"PathMissing":     g.in(`"htu":"/f/acme/hello",`, "").sign(),
		"PathPrefix":      g.in("/f/acme/hello", "/f/acme").sign(),
		"PathURL":         g.in("/f/acme/hello", "https://h/f/acme/hello").sign(),
		"WorkspaceEmpty":  g.in(`"ws":"acme"`, `"ws":""`).sign(),
		"WorkspaceNone":   g.in(`,"ws":"acme"`, "").sign(),
		"TargetMissing":   g.in(`,"tgt":"hello"`, "").sign(),
		"UnknownClaim":    g.in(`"tgt"`, `"adm":true,"tgt"`).sign(),
		"NbfClaim":        g.in(`"tgt"`, `"nbf":0,"tgt"`).sign(),
		"KeysText":        g.in(`"tgt":"hello"`, `"tgt":"hello","keys":"a"`).sign(),
		"KeysNumbers":     g.in(`"tgt":"hello"`, `"tgt":"hello","keys":[1]`).sign(),
		"KeysNull":        g.in(`"tgt":"hello"`, `"tgt":"hello","keys":null`).sign(),
		"PreviewsText":    g.in(`"tgt":"hello"`, `"tgt":"hello","prv":"true"`).sign(),
		"PayloadTrailer":  g.in(`"hello"}`, `"hello"} {}`).sign(),
		"PayloadArray":    bent{header: g.header, payload: `[]`}.sign(),
		"PayloadEmpty":    bent{header: g.header, payload: ``}.sign(),
		"PayloadBadUTF8":  g.in(`"hello"`, "\"hell\xff\"").sign(),
		"PayloadBOM":      g.in(`{"iss"`, "\ufeff{\"iss\"").sign(),
		"PayloadComment":  g.in(`{"iss"`, `{/**/"iss"`).sign(),
		// times; now is epoch+1s, clocks may differ by 5 s
		"Expired":         g.at(-64, -4),
		"ExpiredAtEdge":   g.at(-60, -4),
		"IssuedLater":     g.at(7, 20),
		"TooLong":         g.at(0, 61),
		"Forever":         g.at(0, 1<<40),
		"Backwards":       g.at(30, 20),
		"NoLife":          g.at(0, 0),
		"ExpMissing":      g.in(fmt.Sprintf(`"exp":%d,`, epoch.Unix()+60), "").sign(),
		"IatMissing":      g.in(fmt.Sprintf(`"iat":%d,`, epoch.Unix()), "").sign(),
		"ExpText":         g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), fmt.Sprintf(`"exp":"%d"`, epoch.Unix()+60)).sign(),
		"ExpFraction":     g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), fmt.Sprintf(`"exp":%d.0`, epoch.Unix()+60)).sign(),
		"ExpExponent":     g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), `"exp":1.80000006e9`).sign(),
		"ExpNull":         g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), `"exp":null`).sign(),
		"ExpNegative":     g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), `"exp":-1`).sign(),
		"ExpOverflow":     g.in(fmt.Sprintf(`"exp":%d`, epoch.Unix()+60), `"exp":18446744073709551616`).sign(),
		"ExpTwice":        g.in(`"exp":`, `"exp":1,"exp":`).sign(),
		"IatZeroed":       g.in(fmt.Sprintf(`"iat":%d`, epoch.Unix()), `"iat":0`).sign(),
		"IatLeadingZeros": g.in(fmt.Sprintf(`"iat":%d`, epoch.Unix()), fmt.Sprintf(`"iat":0%d`, epoch.Unix())).sign(),
		// form
		"Empty":              "",
		"Dots":               "..",
		"TwoParts":           head + "." + body,
		"FourParts":          g.sign() + ".AAAA",
		"FiveParts":          g.sign() + ".AAAA.AAAA",
		"NoSignature":        head + "." + body + ".",
		"OtherSignature":     head + "." + body + "." + enc.EncodeToString(make([]byte, 64)),
		"ShortSignature":     head + "." + body + "." + sig[:84],
		"WrongKey":           g.signWith(2),
		"SignatureOfOther":   g.in("acme", "evil").input() + "." + sig,
		"NonCanonicalSig":    last(g.sign()),
		"NonCanonicalBody":   last(head+"."+body) + "." + sig,
		"PaddedSignature":    g.sign() + "==",
		"StandardAlphabet":   head + "." + strings.NewReplacer("-", "+", "_", "/").Replace(body) + "." + sig + "+",
		"LineEndInSignature": head + "." + body + "." + sig[:10] + "\n" + sig[10:],
		"LineEndAfter":       g.sign() + "\n",
		"SpaceBefore":        " " + g.sign(),
		"Bearer":             "Bearer " + g.sign(),
		"NULAfter":           g.sign() + "\x00",
		"JSONForm":           `{"protected":"` + head + `","payload":"` + body + `","signature":"` + sig + `"}`,
		"TwoTokens":          g.sign() + "," + g.sign(),
		"Huge":               g.in(`"hello"`, `"`+strings.Repeat("h", 50_000)+`"`).sign(),
	}
}

// TestBentTokens holds promise S9: none of these may be accepted.
func TestBentTokens(t *testing.T) {
	t.Parallel()
	v := requesttoken.NewVerifier(keySet(t, 1, 2))
	if _, err := v.Verify(good().sign(), expect()); err != nil {
		t.Fatalf("the unbent token must verify, or this test proves nothing: %v", err)
	}
	for name, token := range bentTokens() {
		if _, err := v.Verify(token, expect()); !errors.Is(err, requesttoken.ErrInvalid) {
			t.Errorf("%s: accepted, or another error: %v", name, err)
		}
	}
	if n := len(bentTokens()); n < 60 {
		t.Errorf("only %d bent tokens", n)
	}
}

func TestEdgesOfTime(t *testing.T) {
	t.Parallel()
	v := requesttoken.NewVerifier(keySet(t, 1))
	cases := map[string]struct {
		reason   string
		iat, exp int64
		now      time.Duration
		want     bool
	}{
		"JustIssued":      {"A token is good at the second it was issued.", 0, 60, 0, true},
		"LastSecond":      {"It is good in its last second.", 0, 60, 59 * time.Second, true},
		"WithinSkew":      {"The receiver's clock may be ahead by less than 5 s.", 0, 60, 64 * time.Second, true},
		"AfterSkew":       {"After that it is over.", 0, 60, 65 * time.Second, false},
		"IssuedWithSkew":  {"The receiver's clock may be behind by up to 5 s.", 5, 60, 0, true},
		"IssuedAfterSkew": {"But not by more.", 6, 60, 0, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := expect()
			e.Now = epoch.Add(tc.now)
			_, err := v.Verify(good().at(tc.iat, tc.exp), e)
			if (err == nil) != tc.want {
				t.Errorf("%s\naccepted: %v, %v", tc.reason, err == nil, err)
			}
		})
	}
}

// FuzzVerify looks for a token that was not minted and is accepted, and for
// panics. The corpus is every bent token and a good one.
func FuzzVerify(f *testing.F) {
	minted := good().sign()
	f.Add(minted)
	for _, token := range bentTokens() {
		f.Add(token)
	}
	v := requesttoken.NewVerifier(keySet(f, 1))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(token, expect()); err == nil && token != minted {
			t.Errorf("accepted: %q", token)
		}
	})
}

// FuzzParseKeySet looks for panics, and for sets that do not survive writing
// and reading.
func FuzzParseKeySet(f *testing.F) {
	data, err := keySet(f, 1, 2).MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := requesttoken.ParseKeySet(data)
		if err != nil {
			return
		}
		again, err := set.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := requesttoken.ParseKeySet(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}
