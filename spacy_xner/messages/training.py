"""Messages: X3 trainable components and training."""


class TrainingMessages:
    """Numbers X3; see `errors.Errors`."""

    X301 = (
        "Found no installation of spacy-transformers, expected one because the config names "
        "'spacy-xner.TransformerEncoder.v1'. Install it with: pip install 'spacy-xner[train]'"
    )
    X302 = (
        "Found frozen_layers = {found}, expected 0 to {expected}: at least one layer must be left "
        "to train. Change 'frozen_layers' in the encoder's block of the config."
    )
    X303 = (
        "Found no entity labels for '{name}': no training example has an entity. Give annotated "
        "examples, or name the labels in [initialize.components.{name}] labels."
    )
    X304 = (
        "Found the label '{label}' added to '{name}' after its model was made, expected labels "
        "{labels}. Name all labels before 'initialize'."
    )
    X305 = (
        "Found silver labels {found}, expected only labels of '{name}': {expected}. Give a "
        "'label_map' for the component or annotate again with its labels."
    )
    X306 = (
        "Found no training example left in '{path}' (documents read: {docs}, dropped by "
        "'min_confidence' = {minimum}: {dropped}). Lower 'min_confidence' or check the path."
    )
    X307 = (
        "Found labels {found} in the teacher pipe, expected the student's labels {expected} in the "
        "same order. Initialise the student with the teacher's labels."
    )
    X308 = "Found {key} = {value}, expected {expected}. Change it in the config."
    X310 = (
        "Found num_hidden_layers = {found}, expected {expected} or fewer: '{name}' has no more. "
        "Change [components.xner.model.tok2vec.transformer_config], or remove the block."
    )
    X311 = (
        "Found no installation of PyTorch, expected one because the config names "
        "'spacy-xner.FusedAdam.v1'. Install it with: pip install 'spacy-xner[train]', or name "
        "'Adam.v1' instead."
    )
    X312 = (
        "Found num_layers = {found}, expected 0 (all) to {expected}, the number of layers of the "
        "model. Change 'num_layers' in the encoder's block of the config."
    )
    X313 = (
        "Cannot load the tokenizer of '{name}' ({reason}). Expected a local folder or the hub name "
        "of a model. Set 'paths.encoder' or [training.batcher.get_length] tokenizer."
    )
    X314 = (
        "Found the model '{found}', whose layers cannot be taken out one by one, expected one with "
        "a single stack of layers that are all alike, such as BERT, RoBERTa or DistilBERT. Set "
        "'num_layers' to 0."
    )
    X316 = (
        "Found no votes in document {number} of '{path}' (no group 'silver/<teacher>' in "
        "doc.spans), expected the entities of each teacher for agreement = {value}. Annotate again "
        "with keep_votes = true in the ensemble, or set agreement to 0."
    )
    X320 = (
        "Found no similarity of words in the annotations of '{text}', expected it because the "
        "setting 'pairs' is set. Annotate with teachers that have an evaluator and with "
        "keep_similarity = true in the ensemble, or set [components.xner] pairs to null."
    )
    X321 = (
        "Found similarity vectors of the widths {found} in one batch, expected one width: their "
        "annotations come from different evaluators. Annotate all texts with the same teachers, or "
        "train a student for each target."
    )
    X322 = (
        "Found an architecture without the parts {missing} for '{name}', expected them because the "
        "setting '{setting}' is set. Use 'spacy-xner.SoftTagger.v1', or set '{setting}' to null."
    )
    X323 = (
        "Found token vectors of the width {found} in '{path}', expected {expected} as in the "
        "student. Name a pipeline over the same encoder in [components.xner.hidden] teacher, or "
        "set it to null."
    )
    X324 = (
        "Cannot take token vectors from '{path}' ({reason}). Expected a trained pipeline with an "
        "'xner', such as a larger student. Change [components.xner.hidden] teacher, or set it to "
        "null."
    )
    X325 = (
        "Found hidden_from = '{found}' in '{path}', where the student is written to. Move that "
        "pipeline to another folder first, and name it there."
    )
    X330 = (
        "Cannot use a language model ({reason}), expected peft and transformers. Install them "
        "with: pip install 'spacy-xner[llm]'"
    )
    X331 = (
        "Cannot load the language model '{path}' ({reason}). Expected the folder or hub name of a "
        "causal language model in safetensors with a fast tokenizer. Set 'base' in "
        "[components.xner.model.tok2vec] (--paths.encoder), or build one with 'xner llm base'."
    )
    X332 = (
        "Found the language model '{path}' with the hash {found}, expected {expected}: the "
        "adapters were trained on another one. Bring it back, or set 'base' in "
        "[components.xner.model.tok2vec] of the pipeline's config.cfg to where it lies."
    )
    X333 = (
        "Cannot load a language model with quantise = '{value}' ({reason}). Install it with: pip "
        "install bitsandbytes, or set quantise to null."
    )
    X334 = (
        "Cannot use the language model '{path}' without its causal mask ({reason}). Set causal = "
        "true in [components.xner.model.tok2vec] (xner llm train --causal), or take another model, "
        "such as one of the Llama or Qwen families."
    )
    X335 = (
        "Found no folder '{path}' in '{found}', expected the language model whose adapters this "
        "pipeline holds. Run from where it was trained, or set 'base' in "
        "[components.xner.model.tok2vec] of the pipeline's config.cfg to where the model lies."
    )
    X340 = (
        "Found no {missing}, expected it for a pipeline that 'xner export' has written. Install it "
        "with: pip install 'spacy-xner[onnx]'"
    )
    X341 = (
        "Found no encoder in 'spacy-xner.OnnxEncoder.v1', expected one that 'xner export' has put "
        "there: it cannot be trained from nothing. Train with "
        "'spacy-xner.TransformerEncoder.v1' and export the result."
    )
    X342 = (
        "Cannot read the encoder of an exported pipeline ({reason}), expected the ONNX graph and "
        "the tokenizer that 'xner export' writes. Export the pipeline again."
    )
    X343 = (
        "Found an update of 'spacy-xner.OnnxEncoder.v1', expected predictions only: an exported "
        "pipeline cannot be trained. Train the pipeline that it was exported from, and export it "
        "again."
    )
    X344 = (
        "Cannot export to ONNX ({reason}), expected torch, onnx and onnxruntime. Install them "
        "with: pip install 'spacy-xner[train,export]'"
    )
    X345 = (
        "Cannot write the encoder as an ONNX graph ({reason}), expected an encoder of the BERT "
        "family. Use --precision float32 if the word embeddings are what is in the way, or keep "
        "the pipeline as it is."
    )
    X346 = (
        "Found no 'xner' that reads a transformer among the components {found}, expected one with "
        "'spacy-xner.TransformerEncoder.v1': others run without torch as they are. Give a pipeline "
        "trained with configs/student_trf.cfg or configs/student_small.cfg."
    )
    X347 = (
        "Cannot export the transformer ({reason}), expected a trained one with a fast tokenizer, "
        "whose words are the first, the last or the mean of their sub-words. Train it first, or "
        "change 'pooling' in [components.xner.model.tok2vec]."
    )
