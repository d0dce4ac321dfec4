package render

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// MetricsLabel on a namespace lets its pods read the metrics of runtimes.
const MetricsLabel = "weft.run/metrics"

// publicPeers are the public internet: every address but those in the
// special-purpose registries of IANA. Of IPv6 only global unicast is public to
// begin with.
func publicPeers() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{
			"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
			"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
			"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "2000::/3", Except: []string{
			"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
		}}},
	}
}

// networkPolicy lets in what the gateway and the portal send, and out what a
// flow needs: name resolution, the vault, the public internet, and the ranges
// that the workspace and the flow both allow.
func (w *workload) networkPolicy(o Options, allow []string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: w.meta(),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: w.selector},
			PolicyTypes: bothDirections(),
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{
					From: []networkingv1.NetworkPolicyPeer{
						systemPods(o, gatewayName), systemPods(o, portalName),
					},
					Ports: ports(corev1.ProtocolTCP, runsPort),
				},
				{
					From: []networkingv1.NetworkPolicyPeer{
						{NamespaceSelector: namespaceNamed(o.SystemNamespace)},
						{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{MetricsLabel: "true"}}},
					},
					Ports: ports(corev1.ProtocolTCP, metricsPort),
				},
			},
			Egress: egressRules(o, allow),
		},
	}
}

func egressRules(o Options, allow []string) []networkingv1.NetworkPolicyEgressRule {
	rules := []networkingv1.NetworkPolicyEgressRule{
		{
			To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: namespaceNamed(metav1.NamespaceSystem),
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
			}},
			Ports: append(ports(corev1.ProtocolUDP, 53), ports(corev1.ProtocolTCP, 53)...),
		},
		{
			To:    []networkingv1.NetworkPolicyPeer{systemPods(o, portalName)},
			Ports: ports(corev1.ProtocolTCP, runsPort),
		},
		{To: publicPeers()},
	}
	if peers := allowedRanges(allow); len(peers) > 0 {
		rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: peers})
	}
	return rules
}

// allowedRanges are the entries that a NetworkPolicy can express: addresses
// and ranges. Names are checked by the runtime alone.
func allowedRanges(allow []string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, entry := range allow {
		if prefix, ok := parseRange(entry); ok {
			peers = append(peers, networkingv1.NetworkPolicyPeer{
				IPBlock: &networkingv1.IPBlock{CIDR: prefix.String()},
			})
		}
	}
	return peers
}

func parseRange(entry string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		return prefix.Masked(), true
	}
	if address, err := netip.ParseAddr(entry); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	return netip.Prefix{}, false
}

func systemPods(o Options, name string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: namespaceNamed(o.SystemNamespace),
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{nameLabel: name}},
	}
}

func namespaceNamed(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

func ports(protocol corev1.Protocol, number int32) []networkingv1.NetworkPolicyPort {
	return []networkingv1.NetworkPolicyPort{{
		Protocol: new(protocol), Port: new(intstr.FromInt32(number)),
	}}
}

func bothDirections() []networkingv1.PolicyType {
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
}
