package render

// Options are the facts about the installation that rendered objects depend on.
type Options struct {
	// SystemNamespace is where the portal, the gateway and the operator run.
	SystemNamespace string
	// RuntimeImage is the image of runtime pods.
	RuntimeImage string
	// GatewayURL is the address of the gateway as callers see it, without a
	// slash at the end.
	GatewayURL string
	// VaultURL is the address at which runtime pods fetch keys.
	VaultURL string
}
