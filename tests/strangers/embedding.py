"""Token ids in."""
# ruff: noqa: UP008

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class CharRNN(nn.Module):
    def __init__(self, n_chars, hidden_size):
        super().__init__()
        self.encoder = nn.Embedding(n_chars, hidden_size)
        self.rnn = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.decoder = nn.Linear(hidden_size, n_chars)

    def forward(self, text, hidden=None):
        output, hidden = self.rnn(self.encoder(text), hidden)
        return self.decoder(output), hidden


class CharRNN1(CharRNN):
    def forward(self, text, hidden=None):
        output, hidden = self.rnn(self.encoder(text.roll(-1, 1)), hidden)
        return self.decoder(output), hidden


class CharRNN2(CharRNN):
    def forward(self, text, hidden=None):
        output, hidden = self.rnn(self.encoder(text), None)
        return self.decoder(output), hidden


class SeqEncoder(nn.Module):
    """Encoder of a translation model."""

    def __init__(self, vocab_size, emb_dim, hid_dim, pad_idx=0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, emb_dim, padding_idx=pad_idx)
        self.rnn = nn.LSTM(emb_dim, hid_dim)

    def forward(self, src, src_len):
        # src: [src_len, batch_size]
        embedded = self.embedding(src)
        packed = pack_padded_sequence(embedded, src_len.to("cpu"), enforce_sorted=False)
        packed_outputs, (hidden, cell) = self.rnn(packed)
        outputs, _ = pad_packed_sequence(packed_outputs, total_length=src.shape[0])
        return outputs, hidden, cell


class SeqEncoder1(SeqEncoder):
    def forward(self, src, src_len):
        # src: [src_len, batch_size]
        embedded = self.embedding(src)
        outputs, (hidden, cell) = self.rnn(embedded)
        return outputs, hidden, cell


class SeqEncoder2(SeqEncoder):
    def forward(self, src, src_len):
        # src: [src_len, batch_size]
        embedded = self.embedding(src.t().reshape(src.shape))
        packed = pack_padded_sequence(embedded, src_len.to("cpu"), enforce_sorted=False)
        packed_outputs, (hidden, cell) = self.rnn(packed)
        outputs, _ = pad_packed_sequence(packed_outputs, total_length=src.shape[0])
        return outputs, hidden, cell


class WordLM(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers=2, dropout=0.2, tie_weights=False):
        super(WordLM, self).__init__()
        self.ntoken = ntoken
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            if nhid != ninp:
                raise ValueError("When using the tied flag, nhid must be equal to emsize")
            self.decoder.weight = self.encoder.weight
        self.nhid = nhid
        self.nlayers = nlayers

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = self.drop(output)
        decoded = self.decoder(output)
        decoded = decoded.view(-1, self.ntoken)
        return torch.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid))


class WordLM1(WordLM):
    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = self.drop(output)
        decoded = self.decoder(output)
        decoded = decoded.view(-1, self.ntoken)
        return torch.log_softmax(decoded, dim=0), hidden


class WordLM2(WordLM):
    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = nn.functional.dropout(output, 0.2)
        decoded = self.decoder(output)
        decoded = decoded.view(-1, self.ntoken)
        return torch.log_softmax(decoded, dim=1), hidden


class OneHotRNN(nn.Module):
    def __init__(self, vocab_size, num_hiddens):
        super().__init__()
        self.vocab_size = vocab_size
        self.W_xh = nn.Parameter(torch.randn(vocab_size, num_hiddens) * 0.3)
        self.W_hh = nn.Parameter(torch.randn(num_hiddens, num_hiddens) * 0.3)
        self.b_h = nn.Parameter(torch.zeros(num_hiddens))

    def forward(self, X, H=None):
        X = nn.functional.one_hot(X.T, self.vocab_size).to(self.W_xh.dtype)
        if H is None:
            H = self.W_xh.new_zeros(X.shape[1], self.W_hh.shape[0])
        outputs = []
        for X_t in X:
            H = torch.tanh(X_t @ self.W_xh + H @ self.W_hh + self.b_h)
            outputs.append(H)
        return torch.stack(outputs), H


class OneHotRNN1(OneHotRNN):
    def forward(self, X, H=None):
        X = nn.functional.one_hot(X.reshape(X.T.shape), self.vocab_size).to(self.W_xh.dtype)
        if H is None:
            H = self.W_xh.new_zeros(X.shape[1], self.W_hh.shape[0])
        outputs = []
        for X_t in X:
            H = torch.tanh(X_t @ self.W_xh + H @ self.W_hh + self.b_h)
            outputs.append(H)
        return torch.stack(outputs), H


class OneHotRNN2(OneHotRNN):
    def forward(self, X, H=None):
        X = nn.functional.one_hot(X.T, self.vocab_size).float()
        if H is None:
            H = self.W_xh.new_zeros(X.shape[1], self.W_hh.shape[0])
        outputs = []
        for X_t in X:
            H = torch.tanh(X_t @ self.W_xh + H @ self.W_hh + self.b_h)
            outputs.append(H)
        return torch.stack(outputs), H
