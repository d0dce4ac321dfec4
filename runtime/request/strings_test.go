package request_test

// same marks a path whose decision path is the path as sent.
const same = "\x00same"

// pathCase is a request target's path and what becomes of it: the decision
// path, or "" where it must be refused.
type pathCase struct{ sent, want string }

// pathStrings are the strings of promise S3. The groups follow what authelia,
// Envoy, nginx, Tomcat, Jetty and IIS have been caught with.
func pathStrings() []pathCase {
	return []pathCase{
		// plain
		{"/", same}, {"/f/acme/hello", same}, {"/f/acme/hello/", same}, {"/f/acme/hello/v1/chat/completions", same},
		{"/a/acme/helper", same}, {"/test/run", same}, {"/login", same}, {"/flow/3f1c/save", same}, {"/static/app.abc123.js", same},
		{"/.well-known/jwks.json", same}, {"/f/acme/a.b", same}, {"/f/acme/...", same}, {"/f/acme/a..b", same}, {"/f/acme/..a", same},
		{"/f/acme/a..", same}, {"/f/acme/~x", same}, {"/f/acme/a:b", same}, {"/f/acme/a@b", same}, {"/f/acme/a=b&c", same},
		{"/f/acme/a,b", same}, {"/f/acme/$(x)", same}, {"/f/acme/a+b", same}, {"/f/acme/*", same}, {"/f/acme/a!b'c", same},
		{"/F/acme/hello", same}, {"/f/ACME/hello", same},
		// encoded, and harmless
		{"/f/acme/h%65llo", "/f/acme/hello"}, {"/%66/acme/hello", "/f/acme/hello"}, {"/f/acme/a%20b", "/f/acme/a b"},
		{"/f/acme/%C3%A9", "/f/acme/é"}, {"/f/acme/%c3%a9", "/f/acme/é"}, {"/f/acme/é", "/f/acme/é"}, {"/f/acme/%7Ex", "/f/acme/~x"},
		{"/f/acme/a%2Bb", "/f/acme/a+b"}, {"/f/acme/a%3Ab", "/f/acme/a:b"}, {"/f/acme/%F0%9F%98%80", "/f/acme/😀"},
		{"/f/acme/%22", `/f/acme/"`}, {"/f/acme/%3Cb%3E", "/f/acme/<b>"}, {"/f/acme/%E4%BD%A0", "/f/acme/你"}, {"/%74est/run", "/test/run"},
		// dot segments
		{"/.", ""}, {"/..", ""}, {"/./", ""}, {"/../", ""}, {"/f/./acme/hello", ""}, {"/f/acme/.", ""}, {"/f/acme/hello/.", ""},
		{"/f/acme/../other/hello", ""}, {"/f/acme/hello/..", ""}, {"/f/acme/hello/../../..", ""}, {"/../f/acme/hello", ""},
		{"/f/../login", ""}, {"/login/../f/acme/hello", ""}, {"/static/../flows", ""}, {"/./f/acme/hello", ""},
		{"/f/acme/hello/../hello", ""}, {"/f/acme/hello/./", ""}, {"/....//", ""}, {"/f/..", ""}, {"/f/acme/hello/.././hello", ""},
		// encoded dots
		{"/%2e", ""}, {"/%2e/", ""}, {"/%2e%2e", ""}, {"/%2e%2e/", ""}, {"/.%2e/", ""}, {"/%2e./", ""}, {"/%2E%2E/f/acme/hello", ""},
		{"/f/acme/%2e%2e/other", ""}, {"/f/acme/.%2E/other", ""}, {"/f/acme/%2E./other", ""}, {"/static/%2e%2e/flows", ""},
		{"/f/acme/a%2eb", ""}, {"/f/acme/%2e%2e", ""}, {"/f/acme/%2e%2e%2fother", ""}, {"/f/acme/..%2fother", ""}, {"/f/acme/..%5cother", ""},
		// encoded slashes
		{"/%2f", ""}, {"/%2F", ""}, {"/f%2facme%2fhello", ""}, {"/f/acme%2fhello", ""}, {"/f/acme%2Fhello", ""}, {"/f/acme/hello%2f", ""},
		{"/f/acme/%2fhello", ""}, {"/f/acme%2f..%2fother/hello", ""}, {"/%2ff/acme/hello", ""}, {"/f/acme/hello%2f..%2f..", ""},
		// backslashes
		{`/f\acme\hello`, ""}, {`/\f/acme/hello`, ""}, {`/f/acme/..\next`, ""}, {`/..\f/acme/hello`, ""}, {"/f/acme%5chello", ""},
		{"/f/acme%5Chello", ""}, {"/%5c%2e%2e%5c", ""}, {`/f/acme/hello\`, ""}, {`/\\evil.example/f`, ""}, {`/f/acme/\..\`, ""},
		// empty segments
		{"//", ""}, {"///", ""}, {"//f/acme/hello", ""}, {"/f//acme/hello", ""}, {"/f/acme//hello", ""}, {"/f/acme/hello//", ""},
		{"//evil.example/f/acme/hello", ""}, {"/f/acme/hello//..//", ""}, {"/f//", ""}, {"//evil.example", ""},
		// parameters
		{"/;", ""}, {"/f/acme/hello;x", ""}, {"/f/acme/hello;jsessionid=1", ""}, {"/f/acme;/hello", ""}, {"/f;x/acme/hello", ""},
		{"/f/..;/acme/hello", ""}, {"/f/acme/..;/other", ""}, {"/f/.;/acme/hello", ""}, {"/login;/../f/acme/hello", ""},
		{"/f/acme/hello%3b", ""}, {"/f/acme/hello%3Bx", ""}, {"/f/acme/..%3b/other", ""}, {"/;/f/acme/hello", ""}, {"/f/acme/hello/;", ""},
		// NUL and other control characters
		{"/f/acme/hello%00", ""}, {"/%00", ""}, {"/f/acme%00/hello", ""}, {"/f/acme/hello%00.png", ""}, {"/f/acme/hello%0a", ""},
		{"/f/acme/hello%0d%0aX:1", ""}, {"/f/acme/hello%09", ""}, {"/f/acme/hello%0b", ""}, {"/f/acme/hello%0c", ""}, {"/f/acme/%1b", ""},
		{"/f/acme/%7f", ""}, {"/f/acme/%01", ""}, {"/f/acme/%08", ""}, {"/f/acme/%C2%80", ""}, {"/f/acme/%C2%85", ""}, {"/f/acme/%C2%AD", ""},
		{"/f/acme/hello\x00", ""}, {"/f/acme/hello\n", ""}, {"/f/acme/hello\r", ""}, {"/f/acme/hello\t", ""}, {"/f/acme/\x7f", ""},
		// bad percent-encoding
		{"/%", ""}, {"/%2", ""}, {"/%zz", ""}, {"/%2g", ""}, {"/f/acme/hello%", ""}, {"/f/acme/%u002e", ""}, {"/f/acme/%u2215", ""},
		{"/f/acme/% 20", ""}, {"/f/acme/%-1", ""}, {"/f/acme/%+2", ""}, {"/f/acme/%0x2e", ""}, {"/f/acme/%%2e", ""}, {"/f/acme/%e", ""},
		// double encoding
		{"/%25", ""}, {"/%252e%252e/", ""}, {"/f/acme/%252e%252e/other", ""}, {"/f/acme%252fhello", ""}, {"/f/acme%255chello", ""},
		{"/f/acme/hello%2500", ""}, {"/f/acme/%25252e", ""}, {"/f/acme/%2525", ""}, {"/%2566/acme/hello", ""}, {"/f/acme/hello%253b", ""},
		{"/f/acme/%25%32%65", ""}, {"/f/acme/%%32%65", ""},
		// bad UTF-8
		{"/f/acme/%ff", ""}, {"/f/acme/%fe", ""}, {"/f/acme/%c0%ae", ""}, {"/f/acme/%c0%af", ""}, {"/f/acme/%c0%2e", ""},
		{"/f/acme/%c1%9c", ""}, {"/f/acme/%e0%80%ae", ""}, {"/f/acme/%e0%80%af", ""}, {"/f/acme/%f0%80%80%ae", ""},
		{"/f/acme/%f8%80%80%80%ae", ""}, {"/f/acme/%c3", ""}, {"/f/acme/%a9", ""}, {"/f/acme/%ed%a0%80", ""}, {"/f/acme/%f4%90%80%80", ""},
		{"/f/acme/\xff", ""}, {"/f/acme/\xc0\xae\xc0\xae/x", ""}, {"/f/acme/%C3\xa9x\xff", ""}, {"/f/acme/%EF%BF%BD", ""},
		// what cannot be seen, or folds into a delimiter
		{"/f/acme/%E2%80%AEolleh", ""}, {"/f/acme/he%E2%80%8Bllo", ""}, {"/f/acme/%EF%BB%BFhello", ""}, {"/f/acme/%E2%80%A8", ""},
		{"/f/acme/%E2%80%8D", ""}, {"/f/acme/%EF%BC%8F", ""}, {"/f/acme/%EF%BC%8E%EF%BC%8E/x", ""}, {"/f/acme/%EF%BC%BC", ""},
		{"/f/acme/%E2%80%A4%E2%80%A4/x", ""}, {"/f/acme/%EF%B9%92", ""}, {"/f/acme/%EF%BC%9B", ""}, {"/f/acme/%EF%BC%85", ""},
		{"/f/acme/\uff0f", ""}, {"/f/acme/\u2025/x", ""}, {"/f/acme/%EE%80%80", ""},
		// fragments and queries within the path
		{"/f/acme/hello#x", ""}, {"/#", ""}, {"/f/acme/hello%23x", ""}, {"/f/acme/hello#/../x", ""}, {"/f/acme/hello%3f", ""},
		{"/f/acme/hello%3Fx=1", ""}, {"/login%3f/../f", ""},
		// not a path
		{"", ""}, {"*", ""}, {"f/acme/hello", ""}, {"http:/f/acme/hello", ""}, {"http://example.org/f/acme/hello", ""},
		{"HTTP://example.org/", ""}, {"example.org:80", ""}, {"?x=1", ""}, {"#", ""}, {`\f\acme`, ""}, {" /f/acme/hello", ""},
	}
}
