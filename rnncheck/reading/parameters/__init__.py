"""How the parameters of a layer hold those of torch's layers: by their names, or cut into gates by their shapes."""
