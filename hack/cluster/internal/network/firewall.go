package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weft-run/weft/hack/cluster/internal/journal"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// Tables lists nftables' tables as "family name".
func Tables(ctx context.Context) ([]string, error) {
	out, err := run.Output(ctx, run.Cmd{Name: "nft", Args: []string{"list", "tables"}, Timeout: timeout})
	if err != nil {
		return nil, err
	}
	var tables []string
	for line := range strings.Lines(string(out)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "table "); found {
			tables = append(tables, name)
		}
	}
	return tables, nil
}

// Firewall reads what the journal keeps of the packet filter.
func Firewall(ctx context.Context) (journal.Firewall, error) {
	tables, err := Tables(ctx)
	if err != nil {
		return journal.Firewall{}, err
	}
	firewall := journal.Firewall{Tables: tables, Chains: map[string][]string{}}
	for _, program := range iptables {
		rules, err := natRules(ctx, program)
		if err != nil {
			return journal.Firewall{}, err
		}
		firewall.Chains[program] = chains(rules)
	}
	return firewall, nil
}

// iptables are the programs that the CNI plugin portmap calls.
var iptables = []string{"iptables", "ip6tables"}

// natRules returns the nat table, which portmap uses for host ports, in the
// format of iptables-save.
func natRules(ctx context.Context, program string) (string, error) {
	out, err := run.Output(ctx, run.Cmd{Name: program + "-save", Args: []string{"-t", "nat"}, Timeout: timeout})
	return string(out), err
}

// chains lists the chains that are not the kernel's own.
func chains(rules string) []string {
	var names []string
	for line := range strings.Lines(rules) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(line, ":") && fields[1] == "-" {
			names = append(names, strings.TrimPrefix(fields[0], ":"))
		}
	}
	return names
}

// portmapPrefixes are the beginnings of the names portmap gives to its chains.
var portmapPrefixes = []string{"CNI-HOSTPORT-", "CNI-DN-"}

// chainCleanup returns the iptables commands that remove portmap's chains, the
// rules that jump to them first. Chains that were there before stay.
func chainCleanup(rules string, before []string) [][]string {
	ours := slices.DeleteFunc(chains(rules), func(chain string) bool {
		return slices.Contains(before, chain) || !hasPrefix(chain, portmapPrefixes)
	})
	var jumps, flushes, removals [][]string
	for line := range strings.Lines(rules) {
		if rule, found := jumpFromKeptChain(line, ours); found {
			jumps = append(jumps, rule)
		}
	}
	for _, chain := range ours {
		flushes = append(flushes, []string{"-t", "nat", "-F", chain})
		removals = append(removals, []string{"-t", "nat", "-X", chain})
	}
	return slices.Concat(jumps, flushes, removals)
}

// jumpFromKeptChain returns the command that deletes a rule outside of our
// chains that jumps to one of them.
func jumpFromKeptChain(line string, ours []string) ([]string, bool) {
	fields := splitRule(line)
	at := slices.Index(fields, "-j")
	if len(fields) < 4 || fields[0] != "-A" || at < 0 || at+1 >= len(fields) {
		return nil, false
	}
	if slices.Contains(ours, fields[1]) || !slices.Contains(ours, fields[at+1]) {
		return nil, false
	}
	return append([]string{"-t", "nat", "-D"}, fields[1:]...), true
}

// splitRule splits a line of iptables-save at blanks outside of quotes.
func splitRule(line string) []string {
	var fields []string
	var field strings.Builder
	quoted, escaped := false, false
	for _, r := range strings.TrimSpace(line) + " " {
		switch {
		case escaped:
			field.WriteRune(r)
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			if field.Len() > 0 {
				fields = append(fields, field.String())
			}
			field.Reset()
		default:
			field.WriteRune(r)
		}
	}
	return fields
}

func hasPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Remove deletes the cluster's devices, tables and chains.
func Remove(ctx context.Context, before journal.Journal) error {
	return errors.Join(
		removePodDevices(ctx),
		removeBridge(ctx),
		removeChains(ctx, before),
		removeTables(ctx, before),
	)
}

// removePodDevices deletes the machine's ends of the pods' devices. Mostly they
// have gone with the pods' namespaces, unless somebody else holds one open.
func removePodDevices(ctx context.Context) error {
	_, exists, err := Owner()
	if err != nil || !exists {
		return err
	}
	out, err := run.Output(ctx, run.Cmd{Name: "ip", Args: []string{"-4", "route", "show", "root", layout.PodCIDR}, Timeout: timeout})
	if err != nil {
		return err
	}
	var failures error
	for _, device := range podDevices(string(out)) {
		err := ip(ctx, "link", "delete", "dev", device)
		if _, gone := os.Stat(filepath.Join("/sys/class/net", device)); err != nil && gone == nil {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

// podDevices reads the devices from the routes to the pods.
func podDevices(routes string) []string {
	var devices []string
	for line := range strings.Lines(routes) {
		fields := strings.Fields(line)
		at := slices.Index(fields, "dev")
		if at > 0 && at+1 < len(fields) && strings.HasPrefix(fields[at+1], "veth") {
			devices = append(devices, fields[at+1])
		}
	}
	return devices
}

func removeBridge(ctx context.Context) error {
	_, exists, err := Owner()
	if err != nil || !exists {
		return err
	}
	return ip(ctx, "link", "delete", "dev", layout.Bridge)
}

func removeChains(ctx context.Context, before journal.Journal) error {
	if !before.Current() {
		return nil
	}
	for _, program := range iptables {
		rules, err := natRules(ctx, program)
		if err != nil {
			return err
		}
		for _, command := range chainCleanup(rules, before.Chains[program]) {
			if err := run.Quiet(ctx, timeout, program, append([]string{"--wait"}, command...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTables deletes our table, kube-proxy's, and iptables' nat tables if they
// came with the cluster and have become empty.
func removeTables(ctx context.Context, before journal.Journal) error {
	now, err := Tables(ctx)
	if err != nil {
		return err
	}
	var failures error
	for _, table := range tableCleanup(now, before.Tables, before.Current()) {
		if slices.Contains(natTables, table) {
			used, err := inUse(ctx, table)
			if err != nil || used {
				failures = errors.Join(failures, err)
				continue
			}
		}
		failures = errors.Join(failures, nft(ctx, "delete table "+table+"\n"))
	}
	return failures
}

// natTables are what iptables makes when it is first asked for its nat table.
var natTables = []string{"ip nat", "ip6 nat"}

// tableCleanup returns the tables to delete. Without a journal of this boot
// nobody knows whose kube-proxy's are, so they stay.
func tableCleanup(now, before []string, known bool) []string {
	candidates := []string{"ip " + layout.Table}
	if known {
		candidates = append(candidates, "ip kube-proxy", "ip6 kube-proxy")
		candidates = append(candidates, natTables...)
	}
	return slices.DeleteFunc(candidates, func(table string) bool {
		return !slices.Contains(now, table) || slices.Contains(before, table)
	})
}

// inUse says whether a table of iptables has rules or chains of its own.
func inUse(ctx context.Context, table string) (bool, error) {
	out, err := run.Output(ctx, run.Cmd{Name: "nft", Args: append([]string{"list", "table"}, strings.Fields(table)...), Timeout: timeout})
	if err != nil {
		return false, fmt.Errorf("look into table %s: %w", table, err)
	}
	return hasRules(string(out)), nil
}

// hasRules looks for a line inside of a chain that is not its declaration.
func hasRules(table string) bool {
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", line == "}", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "table "), strings.HasPrefix(line, "type "):
		case strings.HasPrefix(line, "chain "):
			if !slices.Contains([]string{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}, strings.Fields(line)[1]) {
				return true
			}
		default:
			return true
		}
	}
	return false
}
