package github

// Route is a line of the table, for tests that go through all of it.
type Route struct {
	Method, Path, Products, Surface string
	Operation                       Operation
}

// Routes lists the REST part of the table.
func Routes() []Route {
	var all []Route
	for _, r := range operationsTable().rest {
		all = append(all, Route{r.method, r.path, r.products, r.surface, r.op})
	}
	return all
}

// ReadTable parses a packed table from scratch.
func ReadTable() error {
	_, err := readTable(packedTable)
	return err
}

// ParseGraphQL is ReadGraphQL without a reader.
func ParseGraphQL(media string, body []byte) ([]Operation, error) {
	operations, err := parseGraphQL(media, body)
	if err != nil {
		return nil, err
	}
	return operations, nil
}

// IsRef is the rule for ref names.
func IsRef(s string) bool { return isRef(s) }
