package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weft-run/weft/runtime/guard"
)

// Mode says what the program executes.
type Mode string

// The modes.
const (
	// ModeFlow executes the one revision that it was started with.
	ModeFlow Mode = "flow"
	// ModeTest executes the drafts that it is sent.
	ModeTest Mode = "test"
)

// Config of the program. It comes from environment variables, which the
// operator sets; FromEnv names them.
type Config struct {
	Mode Mode
	// Workspace and Name of the flow, or of the test runtime.
	Workspace string
	Name      string
	// Audience of the request tokens: the UID of the Flow or the Workspace.
	Audience string
	// RevisionFile holds the flow. Mode flow only.
	RevisionFile string
	// TrustFile holds the public keys of request tokens.
	TrustFile string
	// VaultURL and VaultTokenFile lead to the vault. Empty: there is none.
	VaultURL       string
	VaultTokenFile string
	// SecretsDir holds mounted Secrets. Empty: there are none.
	SecretsDir string
	// EgressAllow lists what flows may reach beside the public internet.
	EgressAllow []string
	// DrainDelay is how long requests are still taken after the signal to end.
	DrainDelay time.Duration
	// Listen and MetricsListen are addresses of the two ports.
	Listen        string
	MetricsListen string
}

// FromEnv reads the configuration.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{
		Mode:           Mode(getenv("WEFT_MODE")),
		Workspace:      getenv("WEFT_WORKSPACE"),
		Name:           getenv("WEFT_NAME"),
		Audience:       getenv("WEFT_AUDIENCE"),
		RevisionFile:   getenv("WEFT_REVISION_FILE"),
		TrustFile:      getenv("WEFT_TRUST_FILE"),
		VaultURL:       getenv("WEFT_VAULT_URL"),
		VaultTokenFile: getenv("WEFT_VAULT_TOKEN_FILE"),
		SecretsDir:     getenv("WEFT_SECRETS_DIR"),
		EgressAllow:    strings.Split(getenv("WEFT_EGRESS_ALLOW"), ","),
		Listen:         getenv("WEFT_LISTEN"),
		MetricsListen:  getenv("WEFT_METRICS_LISTEN"),
	}
	if text := getenv("WEFT_DRAIN_DELAY"); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			return Config{}, fmt.Errorf("reading WEFT_DRAIN_DELAY: %w", err)
		}
		c.DrainDelay = delay
	} else {
		c.DrainDelay = defaultDrainDelay
	}
	c = c.WithDefaults()
	return c, c.Validate()
}

const defaultDrainDelay = 5 * time.Second

// WithDefaults returns the configuration with what is absent filled in.
func (c Config) WithDefaults() Config {
	if c.Listen == "" {
		c.Listen = ":8080"
	}
	if c.MetricsListen == "" {
		c.MetricsListen = ":9090"
	}
	return c
}

// Validate returns everything that is wrong.
func (c Config) Validate() error {
	var problems []error
	need := func(name, value string) {
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is not set", name))
		}
	}
	switch c.Mode {
	case ModeFlow:
		need("WEFT_REVISION_FILE", c.RevisionFile)
	case ModeTest:
	default:
		problems = append(problems, fmt.Errorf("WEFT_MODE is %q, want %q or %q", c.Mode, ModeFlow, ModeTest))
	}
	need("WEFT_WORKSPACE", c.Workspace)
	need("WEFT_NAME", c.Name)
	need("WEFT_AUDIENCE", c.Audience)
	need("WEFT_TRUST_FILE", c.TrustFile)
	if c.VaultURL != "" {
		need("WEFT_VAULT_TOKEN_FILE", c.VaultTokenFile)
	}
	if c.DrainDelay < 0 {
		problems = append(problems, errors.New("WEFT_DRAIN_DELAY is negative"))
	}
	if _, err := guard.ParseAllowList(c.EgressAllow); err != nil {
		problems = append(problems, fmt.Errorf("WEFT_EGRESS_ALLOW: %w", err))
	}
	return errors.Join(problems...)
}
