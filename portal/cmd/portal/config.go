package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/weft-run/weft/portal/server"
)

// lookup finds an environment variable.
type lookup func(name string) (string, bool)

const envPrefix = "WEFT_"

// Modules that the program can serve.
const (
	moduleWeb      = "web"
	moduleIdentity = "identity"
	moduleVault    = "vault"
	moduleFlows    = "flows"
	moduleTeams    = "teams"
	moduleRealtime = "realtime"
	moduleGateway  = "gateway"
)

func portalModules() []string {
	return []string{moduleWeb, moduleIdentity, moduleVault, moduleFlows, moduleTeams, moduleRealtime}
}

// Config says what the program serves and where everything is. Flags come
// first, then the environment (WEFT_…), then files named by WEFT_…_FILE.
// Secrets have no flag: arguments can be read by every process of a machine.
type Config struct {
	// Modules to serve: parts of the portal, or the gateway alone.
	Modules []string
	// DatabaseURL is the database with the role of the running portal (secret).
	DatabaseURL string
	// DatabaseAdminURL is the same database with its owner (secret, init only).
	DatabaseAdminURL string
	// RedisURL is the cache (secret).
	RedisURL string
	// PublicURL and GatewayURL are the addresses that browsers use.
	PublicURL, GatewayURL string
	// IdentityURL is the identity server, where it runs elsewhere.
	IdentityURL string
	// KeysDir holds the key material, a folder for each Secret.
	KeysDir string
	// Listen and MetricsListen are addresses to listen at.
	Listen, MetricsListen string
	// SystemNamespace is where the portal itself runs.
	SystemNamespace string
	// TestRuntimeURL is the address of a workspace's test runtime, with
	// {namespace} in it.
	TestRuntimeURL string
	// TrustedProxies are the networks of proxies in front of the gateway: only
	// from them is X-Forwarded-For believed.
	TrustedProxies []string
	// GatewayReplicas is how many gateways share the limits, as far as is known.
	GatewayReplicas int
	// Requests bounds calls of flows that set no limits of their own. Zero
	// means no bound.
	Requests RequestLimits
	// InsecureAllowPlainHTTP lets browsers use plain HTTP from other machines.
	InsecureAllowPlainHTTP bool
}

// RequestLimits are numbers of requests.
type RequestLimits struct {
	PerMinute, PerCallerPerMinute, PerDay int64
}

// DefaultKeysDir is where the chart mounts the key material.
const DefaultKeysDir = "/etc/weft/keys"

// WithDefaults returns the config with defaults filled in.
func (c Config) WithDefaults() Config {
	set := func(value *string, fallback string) {
		if *value == "" {
			*value = fallback
		}
	}
	set(&c.Listen, ":8080")
	set(&c.MetricsListen, ":9090")
	set(&c.SystemNamespace, "weft-system")
	if len(c.Modules) == 0 {
		c.Modules = portalModules()
	}
	return c
}

// flags declares a flag for everything that is no secret.
func (c *Config) flags(set *pflag.FlagSet, env lookup) {
	for _, s := range []struct {
		target      *string
		name, usage string
	}{
		{&c.PublicURL, "public-url", "address at which browsers reach the portal"},
		{&c.GatewayURL, "gateway-url", "address at which callers reach exposed flows"},
		{&c.IdentityURL, "identity-url", "address of the identity server, where the module identity is not served here"},
		{&c.KeysDir, "keys-dir", "folder of the key material"},
		{&c.Listen, "listen", "address to listen at (default :8080)"},
		{&c.MetricsListen, "metrics-listen", "address of /healthz, /readyz and /metrics (default :9090)"},
		{&c.SystemNamespace, "system-namespace", "namespace of the portal itself (default weft-system)"},
		{&c.TestRuntimeURL, "test-runtime-url", "address of a workspace's test runtime, with {namespace} in it"},
	} {
		fallback, _ := env(envName(s.name))
		set.StringVar(s.target, s.name, fallback, s.usage+" ["+envName(s.name)+"]")
	}
	var modules []string
	if text, ok := env(envName("modules")); ok && text != "" {
		modules = strings.Split(text, ",")
	}
	set.StringSliceVar(&c.Modules, "modules", modules, "modules to serve: "+strings.Join(portalModules(), ",")+" (default), or gateway")
	var proxies []string
	if text, ok := env(envName("trusted-proxies")); ok && text != "" {
		proxies = strings.Split(text, ",")
	}
	set.StringSliceVar(&c.TrustedProxies, "trusted-proxies", proxies, "networks (CIDR) of proxies in front of the gateway, whose X-Forwarded-For is believed [WEFT_TRUSTED_PROXIES]")
	set.IntVar(&c.GatewayReplicas, "gateway-replicas", 0, "how many gateways share the limits (default 2)")
	set.Int64Var(&c.Requests.PerMinute, "requests-per-minute", 0, "requests to a flow that sets no limit of its own; 0: no bound")
	set.Int64Var(&c.Requests.PerCallerPerMinute, "requests-per-caller-per-minute", 0, "the same, of one caller")
	set.Int64Var(&c.Requests.PerDay, "requests-per-day", 0, "the same, from midnight to midnight UTC")
	set.BoolVar(&c.InsecureAllowPlainHTTP, "insecure-allow-plain-http", false, "let browsers on other machines use plain HTTP: passwords and sessions can be read on the way")
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// finish reads the secrets and fills in defaults.
func finish(c Config, env lookup) (Config, error) {
	for name, target := range map[string]*string{
		"WEFT_DATABASE_URL": &c.DatabaseURL, "WEFT_DATABASE_ADMIN_URL": &c.DatabaseAdminURL, "WEFT_REDIS_URL": &c.RedisURL,
	} {
		value, err := secret(name, env)
		if err != nil {
			return c, err
		}
		*target = value
	}
	return c.WithDefaults(), nil
}

// secret reads a variable, or the file that the variable of the same name with
// _FILE names.
func secret(name string, env lookup) (string, error) {
	value, direct := env(name)
	file, byFile := env(name + "_FILE")
	switch {
	case direct && byFile:
		return "", fmt.Errorf("both %s and %s_FILE are set: set one", name, name)
	case !byFile:
		return value, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading %s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// Validate says what is wrong. It refuses what is not safe.
func (c Config) Validate() error {
	var problems []error
	complain := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.DatabaseURL == "" {
		complain("WEFT_DATABASE_URL is missing")
	}
	if c.RedisURL == "" {
		complain("WEFT_REDIS_URL is missing")
	}
	portal, err := c.address("public-url", c.PublicURL)
	problems = append(problems, err)
	gateway, err := c.address("gateway-url", c.GatewayURL)
	problems = append(problems, err)
	if portal != nil && gateway != nil && portal.Host == gateway.Host {
		complain("public-url and gateway-url have the same host and port: pages of exposed flows could act with a portal session")
	}
	_, err = c.proxies()
	problems = append(problems, err, c.validateModules())
	return errors.Join(problems...)
}

// proxies reads the networks of trusted proxies.
func (c Config) proxies() ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("trusted-proxies: %q is not a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func (c Config) validateModules() error {
	if slices.Contains(c.Modules, moduleGateway) {
		if len(c.Modules) > 1 {
			return errors.New("modules: the gateway is served alone")
		}
		return nil
	}
	for _, name := range c.Modules {
		if !slices.Contains(portalModules(), name) {
			return fmt.Errorf("modules: there is no module %q, only %s and gateway", name, strings.Join(portalModules(), ", "))
		}
	}
	if c.serves(moduleIdentity) {
		return nil
	}
	if _, err := url.Parse(c.IdentityURL); err != nil || c.IdentityURL == "" {
		return errors.New("identity-url is missing: the module identity is not served here, so it must be known where it is")
	}
	return nil
}

func (c Config) serves(module string) bool { return slices.Contains(c.Modules, module) }

// address reads an address of the site. Plain HTTP is for this machine only.
func (c Config) address(name, text string) (*url.URL, error) {
	if text == "" {
		return nil, fmt.Errorf("%s is missing", name)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%s must be scheme://host[:port] and nothing more", name)
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (isLoopback(u.Hostname()) || c.InsecureAllowPlainHTTP):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s is plain HTTP: use https, or allow it with --insecure-allow-plain-http", name)
	}
	return nil, fmt.Errorf("%s must begin with https://", name)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// site returns where the system is reached. The config must be valid.
func (c Config) site() (server.Site, error) {
	portal, err := c.address("public-url", c.PublicURL)
	if err != nil {
		return server.Site{}, err
	}
	gateway, err := c.address("gateway-url", c.GatewayURL)
	if err != nil {
		return server.Site{}, err
	}
	return server.Site{Portal: portal, Gateway: gateway, SystemNamespace: c.SystemNamespace}, nil
}
