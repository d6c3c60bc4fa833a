"""Messages: X7 safety, locks and checksums."""


class SafetyMessages:
    """Numbers X7; see `errors.Errors`."""

    X701 = (
        "Found that another process is writing to '{path}'. Wait until it has finished, stop it, "
        "or name another folder."
    )
    X702 = (
        "Found more than {expected} bytes in '{path}', expected a short file that describes "
        "others. Check what it is; it was not read."
    )
    X703 = (
        "Found the setting '{found}' in '{where}', which can run code that is not installed. "
        "Expected none. Remove it, or use another model."
    )
    X704 = (
        "Found the file name {name!r} in '{where}', expected the plain name of a data file. The "
        "model would write elsewhere when it is loaded, or holds code: use another one."
    )
    X705 = (
        "Found {found!r} in line {number} of '{path}', expected a sha256 in hexadecimal, two "
        "spaces and the name of a file in the same folder. The list is damaged: get the model "
        "again, or train it again."
    )
    X706 = (
        "Cannot load a transformer ({reason}). Expected one whose parameters are saved as "
        "safetensors, as those of 'spacy-xner.TransformerEncoder.v1' are. It is damaged or comes "
        "from an older version: train it again."
    )
    X707 = (
        "'{path}' cannot be verified: it has none of {signs}. Expected the folder of a model, of a "
        "project or of silver shards."
    )
