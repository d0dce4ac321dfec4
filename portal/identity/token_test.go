package identity

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/keys"
)

var epoch = time.Unix(1_800_000_000, 0)

func material(t *testing.T) keys.Identity {
	t.Helper()
	made, err := keys.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keys.ParseIdentity(made)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func somebody() Subject {
	return Subject{
		UserID: uuid.MustParse("01890000-0000-7000-8000-000000000001"), SessionID: uuid.MustParse("01890000-0000-7000-8000-000000000002"),
		Email: "john@example.com", Name: "John <Doe> & ñ", Workspace: WorkspaceRef{ID: uuid.MustParse("01890000-0000-7000-8000-000000000003"), Name: "john-abc123"},
		ExpiresAt: epoch.Add(24 * time.Hour),
	}
}

func TestTokenRoundTrip(t *testing.T) {
	t.Parallel()
	tokens, err := newTokens(material(t))
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.mint(somebody(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := tokens.read(token, epoch.Add(time.Minute))
	if err != nil {
		t.Fatalf("reading what was minted: %v", err)
	}
	got := Subject{
		UserID: claims.UserID, SessionID: claims.SessionID, Email: claims.Email, Name: claims.Name, Administrator: claims.Administrator,
		Workspace: WorkspaceRef{ID: claims.WorkspaceID, Name: claims.Workspace}, ExpiresAt: somebody().ExpiresAt,
	}
	if diff := cmp.Diff(somebody(), got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"john", "Doe", "abc123"} {
		for part := range strings.SplitSeq(token, ".") {
			plain, _ := base64.RawURLEncoding.DecodeString(part)
			if strings.Contains(string(plain), secret) {
				t.Errorf("the token shows %q without its key", secret)
			}
		}
	}
}

func TestTokenTimes(t *testing.T) {
	t.Parallel()
	tokens, err := newTokens(material(t))
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.mint(somebody(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	for after, good := range map[time.Duration]bool{
		0: true, -tokenSkew: true, -tokenSkew - time.Second: false, tokenLife - time.Second: true, tokenLife: false, 24 * time.Hour: false,
	} {
		if _, err := tokens.read(token, epoch.Add(after)); (err == nil) != good {
			t.Errorf("%v after minting: %v, want good=%v", after, err, good)
		}
	}
	ending := somebody()
	ending.ExpiresAt = epoch.Add(time.Minute)
	if token, err = tokens.mint(ending, epoch); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.read(token, epoch.Add(61*time.Second)); err == nil {
		t.Error("a token outlived its session")
	}
}

func TestTokenRotation(t *testing.T) {
	t.Parallel()
	old, next := material(t), material(t)
	before, err := newTokens(old)
	if err != nil {
		t.Fatal(err)
	}
	token, err := before.mint(somebody(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	both, err := newTokens(keys.Identity{Signing: append(next.Signing, old.Signing...), Encryption: append(next.Encryption, old.Encryption...)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.read(token, epoch); err != nil {
		t.Errorf("a token of the former keys: %v", err)
	}
	retired, err := newTokens(next)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := retired.read(token, epoch); err == nil {
		t.Error("a token of retired keys was accepted")
	}
}

// bender makes tokens that we would never make, with our own keys.
type bender struct {
	t    *testing.T
	k    keys.Identity
	kid  string
	head string
	body string
}

var b64 = base64.RawURLEncoding

func newBender(t *testing.T, k keys.Identity) bender {
	t.Helper()
	claims, err := json.Marshal(accessClaims{
		Issuer: tokenIssuer, Audience: tokenAudience, UserID: somebody().UserID, SessionID: somebody().SessionID, TokenID: uuid.New(),
		Email: "john@example.com", Name: "John", WorkspaceID: somebody().Workspace.ID, Workspace: "john-abc123",
		IssuedAt: epoch.Unix(), ExpiresAt: epoch.Unix() + 900,
	})
	if err != nil {
		t.Fatal(err)
	}
	return bender{t: t, k: k, kid: k.Signing[0].ID, head: `{"alg":"EdDSA","kid":"` + k.Signing[0].ID + `","typ":"weft-access+jwt"}`, body: string(claims)}
}

// in replaces a part of the header or of the claims.
func (b bender) in(old, by string) bender {
	if !strings.Contains(b.head, old) && !strings.Contains(b.body, old) {
		b.t.Fatalf("nothing to bend: %s", old)
	}
	b.head, b.body = strings.Replace(b.head, old, by, 1), strings.Replace(b.body, old, by, 1)
	return b
}

func (b bender) input() string {
	return b64.EncodeToString([]byte(b.head)) + "." + b64.EncodeToString([]byte(b.body))
}

func (b bender) signed() string { return b.signedBy(b.k.Signing[0].Private) }

func (b bender) signedBy(key ed25519.PrivateKey) string {
	return b.input() + "." + b64.EncodeToString(ed25519.Sign(key, []byte(b.input())))
}

func (b bender) hmacOf(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(b.input()))
	return b.input() + "." + b64.EncodeToString(mac.Sum(nil))
}

// sealed wraps a signed token as we would.
func (b bender) sealed(signed string) string {
	return b.sealedWith(signed, jose.A256GCM, jose.DIRECT, b.k.Encryption[0].Key, b.k.Encryption[0].ID, func(o *jose.EncrypterOptions) {
		o.WithType("JWT").WithContentType("JWT")
	})
}

func (b bender) sealedWith(signed string, enc jose.ContentEncryption, alg jose.KeyAlgorithm, key []byte, kid string, change func(*jose.EncrypterOptions)) string {
	options := &jose.EncrypterOptions{}
	change(options)
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: kid}, options)
	if err != nil {
		b.t.Fatal(err)
	}
	object, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		b.t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

func bentTokens(t *testing.T, k keys.Identity) map[string]string {
	t.Helper()
	g := newBender(t, k)
	other := material(t)
	public := k.Signing[0].Private.Public().(ed25519.PublicKey)
	enc := k.Encryption[0]
	good := g.sealed(g.signed())
	usual := func(o *jose.EncrypterOptions) { o.WithType("JWT").WithContentType("JWT") }
	parts := strings.Split(good, ".")
	signed := strings.Split(g.signed(), ".")
	iat, exp := fmt.Sprintf(`"iat":%d`, epoch.Unix()), fmt.Sprintf(`"exp":%d`, epoch.Unix()+900)
	tokens := map[string]string{
		// form
		"Empty": "", "Dots": "....", "OnlySigned": g.signed(), "SignedUnencryptedNone": g.in("EdDSA", "none").input() + ".",
		"FourParts": strings.Join(parts[:4], "."), "SixParts": good + ".AAAA", "Space": good + " ", "LineEnd": good + "\n", "NUL": good + "\x00",
		"Padding": good + "==", "HeaderOther": b64.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "." + strings.Join(parts[1:], "."),
		"KeyPart": parts[0] + ".AAAA." + strings.Join(parts[2:], "."), "TagCut": good[:len(good)-2], "IVSwap": parts[0] + ".." + parts[4] + "." + parts[3] + "." + parts[2],
		"Huge": g.sealed(g.in(`"name":"John"`, `"name":"`+strings.Repeat("x", 10_000)+`"`).signed()),
		// encryption
		"OtherKey":       g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, other.Encryption[0].Key, enc.ID, usual),
		"OtherKid":       g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, "other", usual),
		"NoKid":          g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, "", usual),
		"OtherEnc":       g.sealedWith(g.signed(), jose.A128CBC_HS256, jose.DIRECT, enc.Key, enc.ID, usual),
		"KeyWrap":        g.sealedWith(g.signed(), jose.A256GCM, jose.A256KW, enc.Key, enc.ID, usual),
		"GCMKeyWrap":     g.sealedWith(g.signed(), jose.A256GCM, jose.A256GCMKW, enc.Key, enc.ID, usual),
		"Compressed":     g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, enc.ID, func(o *jose.EncrypterOptions) { usual(o); o.Compression = jose.DEFLATE }),
		"NoContentType":  g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, enc.ID, func(o *jose.EncrypterOptions) { o.WithType("JWT") }),
		"OtherType":      g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, enc.ID, func(o *jose.EncrypterOptions) { o.WithType("at+jwt").WithContentType("JWT") }),
		"ExtraJKU":       g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, enc.ID, func(o *jose.EncrypterOptions) { usual(o); o.WithHeader("jku", "https://evil.example") }),
		"ExtraCrit":      g.sealedWith(g.signed(), jose.A256GCM, jose.DIRECT, enc.Key, enc.ID, func(o *jose.EncrypterOptions) { usual(o); o.WithHeader("crit", []string{"exp"}) }),
		"Nested":         g.sealed(good),
		"SealedNothing":  g.sealed(""),
		"SealedClaims":   g.sealed(g.body),
		"SealedUnsigned": g.sealed(g.input() + "."),
		// signature
		"AlgNone":          g.sealed(g.in("EdDSA", "none").input() + "."),
		"AlgNoneSigned":    g.sealed(g.in("EdDSA", "none").signed()),
		"AlgHS256Public":   g.sealed(g.in("EdDSA", "HS256").hmacOf(public)),
		"AlgHS256EncKey":   g.sealed(g.in("EdDSA", "HS256").hmacOf(enc.Key)),
		"AlgRS256":         g.sealed(g.in("EdDSA", "RS256").signed()),
		"AlgSmall":         g.sealed(g.in("EdDSA", "eddsa").signed()),
		"AlgEd25519":       g.sealed(g.in("EdDSA", "Ed25519").signed()),
		"AlgMissing":       g.sealed(g.in(`"alg":"EdDSA",`, "").signed()),
		"AlgTwice":         g.sealed(g.in(`"alg":"EdDSA"`, `"alg":"none","alg":"EdDSA"`).signed()),
		"HMACUnderEdDSA":   g.sealed(g.hmacOf(public)),
		"JKU":              g.sealed(g.in(`"typ"`, `"jku":"https://evil.example","typ"`).signed()),
		"JWK":              g.sealed(g.in(`"typ"`, `"jwk":{"kty":"OKP"},"typ"`).signed()),
		"X5U":              g.sealed(g.in(`"typ"`, `"x5u":"https://evil.example","typ"`).signed()),
		"Crit":             g.sealed(g.in(`"typ"`, `"crit":["exp"],"typ"`).signed()),
		"KidPath":          g.sealed(g.in(g.kid, "../../dev/null").signed()),
		"KidEmpty":         g.sealed(g.in(g.kid, "").signed()),
		"KidMissing":       g.sealed(g.in(`"kid":"`+g.kid+`",`, "").signed()),
		"KidOther":         g.sealed(g.in(g.kid, other.Signing[0].ID).signedBy(other.Signing[0].Private)),
		"WrongKey":         g.sealed(g.signedBy(other.Signing[0].Private)),
		"TypMissing":       g.sealed(g.in(`,"typ":"weft-access+jwt"`, "").signed()),
		"TypRequest":       g.sealed(g.in("weft-access+jwt", "weft-request+jwt").signed()),
		"HeaderSpace":      g.sealed(g.in(`{"alg"`, `{ "alg"`).signed()),
		"SignatureCut":     g.sealed(strings.TrimSuffix(g.signed(), signed[2][80:])),
		"SignatureMissing": g.sealed(signed[0] + "." + signed[1] + "."),
		"SignatureOfOther": g.sealed(g.in("john-abc123", "victim").input() + "." + signed[2]),
		// claims
		"IssOther":        g.sealed(g.in(`"iss":"weft"`, `"iss":"evil"`).signed()),
		"AudOther":        g.sealed(g.in(`"aud":"weft-portal"`, `"aud":"uid"`).signed()),
		"AudList":         g.sealed(g.in(`"weft-portal"`, `["weft-portal"]`).signed()),
		"SubEmpty":        g.sealed(g.in(somebody().UserID.String(), "").signed()),
		"SubNil":          g.sealed(g.in(somebody().UserID.String(), uuid.Nil.String()).signed()),
		"SubBraces":       g.sealed(g.in(somebody().UserID.String(), "{"+somebody().UserID.String()+"}").signed()),
		"SidMissing":      g.sealed(g.in(`"sid":"`+somebody().SessionID.String()+`",`, "").signed()),
		"WidMissing":      g.sealed(g.in(`"wid":"`+somebody().Workspace.ID.String()+`",`, "").signed()),
		"WsEmpty":         g.sealed(g.in("john-abc123", "").signed()),
		"EmailEmpty":      g.sealed(g.in("john@example.com", "").signed()),
		"AdmTwice":        g.sealed(g.in(`"adm":false`, `"adm":false,"adm":true`).signed()),
		"AdmByCase":       g.sealed(g.in(`"adm":false`, `"adm":false,"ADM":true`).signed()),
		"AdmText":         g.sealed(g.in(`"adm":false`, `"adm":"true"`).signed()),
		"UnknownClaim":    g.sealed(g.in(`"adm":false`, `"adm":false,"role":"owner"`).signed()),
		"Order":           g.sealed(g.in(`"iss":"weft","aud":"weft-portal"`, `"aud":"weft-portal","iss":"weft"`).signed()),
		"ClaimsSpace":     g.sealed(g.in(`{"iss"`, ` {"iss"`).signed()),
		"ClaimsTrailer":   g.sealed(bender{t, k, g.kid, g.head, g.body + " "}.signed()),
		"ClaimsArray":     g.sealed(bender{t, k, g.kid, g.head, "[]"}.signed()),
		"ClaimsEmpty":     g.sealed(bender{t, k, g.kid, g.head, "{}"}.signed()),
		"Expired":         g.sealed(g.in(iat, fmt.Sprintf(`"iat":%d`, epoch.Unix()-1000)).in(exp, fmt.Sprintf(`"exp":%d`, epoch.Unix()-100)).signed()),
		"IssuedLater":     g.sealed(g.in(iat, fmt.Sprintf(`"iat":%d`, epoch.Unix()+60)).signed()),
		"TooLong":         g.sealed(g.in(exp, fmt.Sprintf(`"exp":%d`, epoch.Unix()+901)).signed()),
		"ExpMissing":      g.sealed(g.in(","+exp, "").signed()),
		"ExpText":         g.sealed(g.in(exp, fmt.Sprintf(`"exp":"%d"`, epoch.Unix()+900)).signed()),
		"ExpFraction":     g.sealed(g.in(exp, fmt.Sprintf(`"exp":%d.0`, epoch.Unix()+900)).signed()),
		"ExpOverflow":     g.sealed(g.in(exp, `"exp":18446744073709551616`).signed()),
		"IatNegative":     g.sealed(g.in(iat, `"iat":-1`).signed()),
		"NoLife":          g.sealed(g.in(exp, fmt.Sprintf(`"exp":%d`, epoch.Unix())).signed()),
		"NotBeforeClaimd": g.sealed(g.in(exp, exp+`,"nbf":0`).signed()),
	}
	return tokens
}

// TestBentTokens holds promise S9: none of these is accepted.
func TestBentTokens(t *testing.T) {
	t.Parallel()
	k := material(t)
	tokens, err := newTokens(k)
	if err != nil {
		t.Fatal(err)
	}
	g := newBender(t, k)
	if _, err := tokens.read(g.sealed(g.signed()), epoch); err != nil {
		t.Fatalf("the unbent token must be read, or this test proves nothing: %v", err)
	}
	bent := bentTokens(t, k)
	for name, token := range bent {
		if claims, err := tokens.read(token, epoch); err == nil {
			t.Errorf("%s was accepted: %+v", name, claims)
		}
	}
	if len(bent) < 60 {
		t.Errorf("only %d bent tokens", len(bent))
	}
}

// TestEveryFlippedByte shows that no byte of a token can be changed.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	tokens, err := newTokens(material(t))
	if err != nil {
		t.Fatal(err)
	}
	token, err := tokens.mint(somebody(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(token) {
		at := strings.IndexByte(alphabet, token[i])
		if at < 0 {
			continue
		}
		for _, other := range []int{at ^ 1, at ^ 32} {
			bent := token[:i] + string(alphabet[other]) + token[i+1:]
			if _, err := tokens.read(bent, epoch); err == nil {
				t.Errorf("byte %d changed from %c to %c: accepted", i, token[i], alphabet[other])
			}
		}
	}
}
