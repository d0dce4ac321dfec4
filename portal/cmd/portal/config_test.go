package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func environment(values map[string]string) lookup {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func good() Config {
	return Config{
		DatabaseURL: "postgres://u:p@h/d", RedisURL: "redis://h:6379/0", PublicURL: "https://weft.example.com", GatewayURL: "https://flows.example.com",
	}.WithDefaults()
}

// TestInsecureConfigIsRefused holds promise D1: an empty configuration, and
// every one that is not safe, does not start.
func TestInsecureConfigIsRefused(t *testing.T) {
	t.Parallel()
	if err := good().Validate(); err != nil {
		t.Fatalf("the good configuration must pass, or this test proves nothing: %v", err)
	}
	cases := map[string]struct {
		reason string
		bend   func(c *Config)
		ok     bool
	}{
		"Empty":             {"Nothing is assumed.", func(c *Config) { *c = Config{}.WithDefaults() }, false},
		"NoDatabase":        {"There is no default database.", func(c *Config) { c.DatabaseURL = "" }, false},
		"NoRedis":           {"Nor a default Redis.", func(c *Config) { c.RedisURL = "" }, false},
		"NoPublicURL":       {"Nor an address.", func(c *Config) { c.PublicURL = "" }, false},
		"PlainHTTP":         {"Passwords do not travel in the open.", func(c *Config) { c.PublicURL = "http://weft.example.com" }, false},
		"PlainHTTPAllowed":  {"Unless somebody says so at length.", func(c *Config) { c.PublicURL = "http://weft.example.com"; c.InsecureAllowPlainHTTP = true }, true},
		"PlainGateway":      {"Nor do endpoint keys.", func(c *Config) { c.GatewayURL = "http://flows.example.com" }, false},
		"Loopback":          {"They may within one machine.", func(c *Config) { c.PublicURL, c.GatewayURL = "http://localhost:30080", "http://127.0.0.1:30081" }, true},
		"LoopbackV6":        {"In any spelling.", func(c *Config) { c.PublicURL = "http://[::1]:30080" }, true},
		"AlmostLoopback":    {"But in none that only looks like it.", func(c *Config) { c.PublicURL = "http://localhost.example.com" }, false},
		"AlmostLoopbackIP":  {"Whatever the number.", func(c *Config) { c.PublicURL = "http://127.0.0.1.example.com" }, false},
		"SameOrigin":        {"Pages of flows live elsewhere.", func(c *Config) { c.GatewayURL = c.PublicURL }, false},
		"SameOriginSlash":   {"Also with a slash.", func(c *Config) { c.GatewayURL = c.PublicURL + "/" }, false},
		"URLWithUser":       {"Addresses hold no secrets.", func(c *Config) { c.PublicURL = "https://u:p@weft.example.com" }, false},
		"URLWithPath":       {"Nor a path.", func(c *Config) { c.PublicURL = "https://weft.example.com/x" }, false},
		"OtherScheme":       {"They are web addresses.", func(c *Config) { c.PublicURL = "ftp://weft.example.com" }, false},
		"UnknownModule":     {"A module that is not there.", func(c *Config) { c.Modules = []string{"everything"} }, false},
		"GatewayBeside":     {"The gateway is alone.", func(c *Config) { c.Modules = []string{"web", "gateway"} }, false},
		"Gateway":           {"Alone it is fine.", func(c *Config) { c.Modules = []string{"gateway"} }, true},
		"NoIdentity":        {"Somebody must know who calls.", func(c *Config) { c.Modules = []string{"flows"} }, false},
		"Proxies":           {"Networks of proxies.", func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8", "fd00::/8"} }, true},
		"NoNetwork":         {"Something that is no network.", func(c *Config) { c.TrustedProxies = []string{"10.0.0.1"} }, false},
		"IdentityElsewhere": {"It may be elsewhere.", func(c *Config) { c.Modules = []string{"flows"}; c.IdentityURL = "http://weft-identity" }, true},
	}
	for name, tc := range cases {
		c := good()
		tc.bend(&c)
		if err := c.Validate(); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want ok=%v. %s", name, err, tc.ok, tc.reason)
		}
	}
}

// TestInsecureSwitches is the list of every switch that weakens something. It
// is here a second time on purpose.
func TestInsecureSwitches(t *testing.T) {
	t.Parallel()
	var c Config
	set := pflag.NewFlagSet("x", pflag.ContinueOnError)
	c.flags(set, environment(nil))
	var insecure []string
	set.VisitAll(func(f *pflag.Flag) {
		if strings.Contains(f.Name, "insecure") {
			insecure = append(insecure, f.Name)
			if f.DefValue != "false" {
				t.Errorf("%s is %s by default", f.Name, f.DefValue)
			}
		}
		for _, word := range []string{"password", "secret", "database", "redis", "token"} {
			if strings.Contains(f.Name, word) {
				t.Errorf("flag %s: secrets have no flag, arguments can be read by every process of a machine", f.Name)
			}
		}
	})
	if diff := cmp.Diff([]string{"insecure-allow-plain-http"}, insecure); diff != "" {
		t.Errorf("insecure switches (-want +got):\n%s", diff)
	}
}

func TestConfigSources(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment(map[string]string{
		"WEFT_DATABASE_URL_FILE": file, "WEFT_REDIS_URL": "redis://direct", "WEFT_LISTEN": ":1", "WEFT_PUBLIC_URL": "https://env", "WEFT_MODULES": "web,identity",
	})
	var c Config
	set := pflag.NewFlagSet("x", pflag.ContinueOnError)
	c.flags(set, env)
	if err := set.Parse([]string{"--listen=:2"}); err != nil {
		t.Fatal(err)
	}
	got, err := finish(c, env)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DatabaseURL: "postgres://from-file", RedisURL: "redis://direct", Listen: ":2", PublicURL: "https://env",
		MetricsListen: ":9090", SystemNamespace: "weft-system", Modules: []string{"web", "identity"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	both := environment(map[string]string{"WEFT_REDIS_URL": "x", "WEFT_REDIS_URL_FILE": file})
	if _, err := finish(Config{}, both); err == nil {
		t.Error("a secret with two sources was accepted")
	}
	if _, err := finish(Config{}, environment(map[string]string{"WEFT_REDIS_URL_FILE": "/nowhere"})); err == nil {
		t.Error("a secret's file that is not there was accepted")
	}
}
