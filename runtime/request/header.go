package request

import "net/http"

// reserved are header names through which this or other software says who
// calls, from where, or for what. Folded: letters and digits only, small.
// Inbound, each of them is a claim that nobody has checked.
var reserved = set(
	// our own names without their prefix
	"requesttoken", "requestid", "xrequestid", "xcorrelationid",
	"workspace", "xworkspace", "workspaceid", "xworkspaceid", "tenant", "xtenant", "tenantid", "xtenantid",
	"subject", "xsubject", "audience", "xaudience", "owner", "xowner", "team", "xteam", "teamid", "xteamid",
	// who calls, as other gateways say it
	"user", "xuser", "userid", "xuserid", "username", "xusername", "useremail", "xuseremail", "email", "xemail",
	"role", "xrole", "roles", "xroles", "group", "xgroup", "groups", "xgroups", "scope", "xscope", "scopes", "xscopes",
	"remoteuser", "xremoteuser", "remotegroups", "xremotegroups", "remoteemail", "xremoteemail", "remotename", "xremotename",
	"xauthuser", "xauthuserid", "xauthemail", "xauthgroups", "xauthroles", "xauthtoken",
	"xauthrequestuser", "xauthrequestemail", "xauthrequestgroups", "xauthrequestpreferredusername", "xauthrequestaccesstoken",
	"xauthenticateduser", "xauthenticateduserid", "xauthenticatedgroups", "xauthenticatedemail",
	"xidentity", "xprincipal", "xclaims", "xjwtpayload", "xjwtassertion", "xaccesstoken", "xidtoken",
	"xgoogauthenticateduseremail", "xgoogauthenticateduserid", "xgoogiapjwtassertion",
	"xamznoidcidentity", "xamznoidcdata", "xamznoidcaccesstoken", "cfaccessauthenticateduseremail", "cfaccessjwtassertion",
	"xmsclientprincipal", "xmsclientprincipalid", "xmsclientprincipalname", "xmsclientprincipalidp",
	"xconsumerid", "xconsumerusername", "xconsumercustomid", "xcredentialidentifier", "xanonymousconsumer",
	"xadmin", "xisadmin", "ximpersonateuser", "impersonateuser", "impersonategroup", "impersonateuid",
	"xsslclientverify", "xsslclientsdn", "xclientcert", "xclientdn", "clientcert", "sslclientcert", "sslclientverify",
	// from where
	"forwarded", "xrealip", "xclientip", "xclusterclientip", "xoriginatingip", "xremoteip", "xremoteaddr", "remoteaddr",
	"clientip", "trueclientip", "cfconnectingip", "fastlyclientip", "xazureclientip", "xenvoyexternaladdress", "xoriginalforwardedfor",
	"via", "proxy",
	// for what
	"xoriginalurl", "xoriginaluri", "xoriginalmethod", "xoriginalhost", "xoriginalpath", "xrewriteurl",
	"xhttpmethod", "xhttpmethodoverride", "xmethodoverride", "xhost", "xhttphostoverride", "xscheme", "xurlscheme", "fronthttps",
	"xenvoyoriginalpath", "xenvoydecoratoroperation", "xaccelredirect", "xsendfile", "xaccelinternal",
)

// reservedPrefixes begin whole families of such names, folded.
var reservedPrefixes = []string{"weft", "xweft", "xforwarded", "httpweft", "httpxweft", "impersonateextra"}

// maxFolded is more than the longest name in reserved.
const maxFolded = 64

// IsReservedHeader tells whether a header name, after dropping everything but
// its letters and digits and their case, is one that Weft, or software like
// it, uses to carry identity, origin or destination. "weft.request_token" is
// as much ours as "Weft-Request-Token": what is one name to the first parser
// may be another to the next.
func IsReservedHeader(name string) bool {
	var buf [maxFolded]byte
	folded := fold(buf[:0], name)
	for _, prefix := range reservedPrefixes {
		if len(folded) >= len(prefix) && string(folded[:len(prefix)]) == prefix {
			return true
		}
	}
	_, ok := reserved[string(folded)]
	return ok
}

// StripReserved deletes every reserved header. It looks at the keys
// themselves, not through Header.Del, which would only find canonical ones.
func StripReserved(h http.Header) {
	for name := range h {
		if IsReservedHeader(name) {
			delete(h, name)
		}
	}
}

// fold appends the letters and digits of name, in small letters, to buf. It
// stops where buf is full: no reserved name is that long, and a prefix is
// found before.
func fold(buf []byte, name string) []byte {
	for i := 0; i < len(name) && len(buf) < cap(buf); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			buf = append(buf, c)
		case c >= 'A' && c <= 'Z':
			buf = append(buf, c+'a'-'A')
		}
	}
	return buf
}

func set(names ...string) map[string]struct{} {
	m := make(map[string]struct{}, len(names))
	for _, name := range names {
		m[name] = struct{}{}
	}
	return m
}
