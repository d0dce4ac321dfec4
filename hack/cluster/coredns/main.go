// Command coredns is CoreDNS with the few plugins that the local cluster's
// Corefile uses. Leaving the rest out keeps the first build short.
package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Each import registers one plugin under the name of its folder.
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	dnsserver.Directives = only(dnsserver.Directives,
		"errors", "health", "ready", "cache", "loadbalance", "kubernetes", "forward")
	coremain.Run()
}

// only keeps the wanted directives in CoreDNS's own order, which is the order
// in which plugins handle a query.
func only(all []string, wanted ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		return !slices.Contains(wanted, name)
	})
}
