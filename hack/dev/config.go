package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Ports of the local cluster's node, which answer on localhost too.
const (
	portalPort  = 30080
	gatewayPort = 30081
)

// config is what the environment says.
type config struct {
	Root          string // of the repository
	Cache         string
	Current       bool
	Registry      string
	PublicURL     string
	GatewayURL    string
	PostgresImage string // empty: made here out of Debian's packages
	RedisImage    string
	Helm          string
	Ready         time.Duration
}

// fromEnvironment reads and checks the settings.
func fromEnvironment(getenv func(string) string) (config, error) {
	c := config{
		Root:          getenv("WEFT_ROOT"),
		Registry:      getenv("REGISTRY"),
		PublicURL:     cmp.Or(getenv("PUBLIC_URL"), fmt.Sprintf("http://localhost:%d", portalPort)),
		GatewayURL:    cmp.Or(getenv("GATEWAY_URL"), fmt.Sprintf("http://localhost:%d", gatewayPort)),
		PostgresImage: getenv("POSTGRES_IMAGE"),
		RedisImage:    getenv("REDIS_IMAGE"),
		Helm:          getenv("HELM"),
		Ready:         5 * time.Minute,
	}
	switch getenv("CLUSTER") {
	case "":
	case "current":
		c.Current = true
	default:
		return c, fmt.Errorf("CLUSTER=%s: want nothing (a cluster of our own) or current (the one of your kubeconfig)", getenv("CLUSTER"))
	}
	if c.Registry != "" && !c.Current {
		return c, errors.New("REGISTRY is for CLUSTER=current only: the local cluster gets its images directly")
	}
	for _, u := range []string{c.PublicURL, c.GatewayURL} {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" {
			return c, fmt.Errorf("%q is not the address of a web site", u)
		}
	}
	var err error
	c.Cache, err = cacheDir(getenv)
	return c, errors.Join(err, c.ensureRoot())
}

// ensureRoot finds the repository when nobody said where it is.
func (c *config) ensureRoot() error {
	if c.Root == "" {
		wd, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("finding the repository: %w", err)
		}
		c.Root = wd
	}
	if _, err := os.Stat(filepath.Join(c.Root, "charts", "weft", "Chart.yaml")); err != nil {
		return fmt.Errorf("%s is not the repository (set WEFT_ROOT): %w", c.Root, err)
	}
	return nil
}

// cacheDir is where what is built once is kept.
func cacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "weft", "dev"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache (set XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(home, ".cache", "weft", "dev"), nil
}
