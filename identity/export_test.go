package identity

// ParseAgentURI is the part of ParsePeer that reads hostile text.
var ParseAgentURI = parseAgentURI
