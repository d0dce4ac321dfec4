package main

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/weft-run/weft/controllers/render"
)

// config is what the operator is started with. Each field is a flag, and an
// environment variable that gives its default: --gateway-url is
// WEFT_GATEWAY_URL.
type config struct {
	// GatewayURL is the address of the gateway as callers see it.
	GatewayURL string
	// RuntimeImage is the image of runtime pods.
	RuntimeImage string
	// SystemNamespace is where the portal, the gateway and the operator run.
	SystemNamespace string
	// VaultURL is where runtime pods fetch keys. Default: the portal's Service.
	VaultURL string
	// MetricsListen is the address of /metrics, /healthz and /readyz. Default
	// ":9090".
	MetricsListen string
	// LeaderElect lets one of several operators work at a time.
	LeaderElect bool
	// Concurrency is how many objects of a kind are reconciled at once.
	// Default 8.
	Concurrency int
}

const (
	defaultMetricsListen = ":9090"
	defaultConcurrency   = 8
	maxConcurrency       = 256
)

// parseConfig reads flags over the environment.
func parseConfig(args []string, getenv func(string) string) (config, error) {
	var c config
	set := flag.NewFlagSet("operator", flag.ContinueOnError)
	text := func(target *string, name, usage string) {
		set.StringVar(target, name, getenv(envName(name)), usage+" ($"+envName(name)+")")
	}
	text(&c.GatewayURL, "gateway-url", "address of the gateway as callers see it")
	text(&c.RuntimeImage, "runtime-image", "image of runtime pods")
	text(&c.SystemNamespace, "system-namespace", "namespace of the portal, the gateway and the operator")
	text(&c.VaultURL, "vault-url", "address at which runtime pods fetch keys; default: the portal's Service")
	text(&c.MetricsListen, "metrics-listen", "address of /metrics, /healthz and /readyz; default "+defaultMetricsListen)
	var elect, concurrency string
	text(&concurrency, "concurrency", "how many objects of a kind are reconciled at once")
	set.BoolFunc("leader-elect", "let one of several operators work at a time ($WEFT_LEADER_ELECT)", func(v string) error {
		elect = v
		return nil
	})
	if err := set.Parse(args); err != nil {
		return config{}, fmt.Errorf("reading flags: %w", err)
	}
	if elect == "" {
		elect = getenv(envName("leader-elect"))
	}
	var err error
	if c.LeaderElect, err = parseOr(elect, false, strconv.ParseBool); err != nil {
		return config{}, fmt.Errorf("leader-elect: %w", err)
	}
	if c.Concurrency, err = parseOr(concurrency, 0, strconv.Atoi); err != nil {
		return config{}, fmt.Errorf("concurrency: %w", err)
	}
	c = c.WithDefaults()
	return c, c.Validate()
}

func envName(flagName string) string {
	return "WEFT_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

func parseOr[T any](text string, otherwise T, parse func(string) (T, error)) (T, error) {
	if text == "" {
		return otherwise, nil
	}
	return parse(text)
}

// WithDefaults fills in what has a default.
func (c config) WithDefaults() config {
	if c.VaultURL == "" && c.SystemNamespace != "" {
		c.VaultURL = fmt.Sprintf("http://weft-portal.%s.svc", c.SystemNamespace)
	}
	if c.MetricsListen == "" {
		c.MetricsListen = defaultMetricsListen
	}
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency
	}
	c.GatewayURL = strings.TrimRight(c.GatewayURL, "/")
	c.VaultURL = strings.TrimRight(c.VaultURL, "/")
	return c
}

// Validate returns everything that is wrong.
func (c config) Validate() error {
	var problems []error
	if c.RuntimeImage == "" {
		problems = append(problems, errors.New("runtime-image is not set"))
	}
	if len(validation.IsDNS1123Label(c.SystemNamespace)) > 0 {
		problems = append(problems, fmt.Errorf("system-namespace %q is not the name of a namespace", c.SystemNamespace))
	}
	problems = append(problems, checkURL("gateway-url", c.GatewayURL), checkURL("vault-url", c.VaultURL))
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		problems = append(problems, fmt.Errorf("concurrency %d is not between 1 and %d", c.Concurrency, maxConcurrency))
	}
	return errors.Join(problems...)
}

func checkURL(name, text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("%s %q is not of the form http(s)://host[:port][/path]", name, text)
	default:
		return nil
	}
}

func (c config) render() render.Options {
	return render.Options{
		SystemNamespace: c.SystemNamespace,
		RuntimeImage:    c.RuntimeImage,
		GatewayURL:      c.GatewayURL,
		VaultURL:        c.VaultURL,
	}
}
