import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.KeywordAnalyzer;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.analysis.tokenattributes.TermFrequencyAttribute;
import org.apache.lucene.document.BinaryDocValuesField;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.BytesRef;

/**
 * Writes an impact index that pyserini's LuceneImpactSearcher reads, straight from .npy files: the
 * impact is the term frequency, set by an attribute. (Anserini's own JsonVectorCollection repeats a
 * token as often as its impact says, which takes ten times as long.)
 *
 * <p>Arguments: documents.indptr.npy documents.term_ids.npy documents.weights.npy INDEX SCALE DOCUMENTS
 */
public final class ImpactIndexer {
  private static final int MAX_IMPACT = 255;

  /** One document's terms with their impacts. */
  private static final class Impacts extends TokenStream {
    private final CharTermAttribute term = addAttribute(CharTermAttribute.class);
    private final TermFrequencyAttribute frequency = addAttribute(TermFrequencyAttribute.class);
    private int[] termIds;
    private int[] impacts;
    private int next;

    void set(int[] newTermIds, int[] newImpacts) {
      termIds = newTermIds;
      impacts = newImpacts;
      next = 0;
    }

    @Override
    public boolean incrementToken() {
      if (next == termIds.length) {
        return false;
      }
      clearAttributes();
      term.append("t").append(Integer.toString(termIds[next]));
      frequency.setTermFrequency(impacts[next]);
      next++;
      return true;
    }
  }

  /** The numbers of a one-dimensional .npy file (version 1), in order. */
  private static final class Npy implements AutoCloseable {
    private final DataInputStream in;

    Npy(String path) throws IOException {
      in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Paths.get(path)), 1 << 22));
      byte[] start = in.readNBytes(10);
      in.skipNBytes((start[8] & 0xff) | (start[9] & 0xff) << 8);
    }

    long nextLong() throws IOException {
      return Long.reverseBytes(in.readLong());
    }

    ByteBuffer next(int n) throws IOException {
      return ByteBuffer.wrap(in.readNBytes(4 * n)).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  public static void main(String[] arguments) throws IOException {
    float scale = Float.parseFloat(arguments[4]);
    long documents = Long.parseLong(arguments[5]);
    IndexWriterConfig config = new IndexWriterConfig(new KeywordAnalyzer());
    config.setRAMBufferSizeMB(1024).setOpenMode(IndexWriterConfig.OpenMode.CREATE);
    try (Npy starts = new Npy(arguments[0]);
        Npy termIds = new Npy(arguments[1]);
        Npy weights = new Npy(arguments[2]);
        IndexWriter writer = new IndexWriter(FSDirectory.open(Paths.get(arguments[3])), config)) {
      long start = starts.nextLong();
      for (long ordinal = 0; ordinal < documents; ordinal++) {
        long stop = starts.nextLong();
        int length = (int) (stop - start);
        start = stop;
        writer.addDocument(document(ordinal, termIds.next(length), weights.next(length), scale));
      }
      writer.forceMerge(1);
      writer.commit();
    }
  }

  private static Document document(long ordinal, ByteBuffer termIds, ByteBuffer weights, float scale) {
    int length = termIds.capacity() / 4;
    int[] terms = new int[length];
    int[] impacts = new int[length];
    for (int i = 0; i < length; i++) {
      terms[i] = termIds.getInt(4 * i);
      impacts[i] = Math.max(1, Math.min(MAX_IMPACT, Math.round(weights.getFloat(4 * i) * scale)));
    }
    Impacts stream = new Impacts();
    stream.set(terms, impacts);
    Document document = new Document();
    String name = Long.toString(ordinal);
    document.add(new StringField("id", name, Field.Store.YES));
    document.add(new BinaryDocValuesField("id", new BytesRef(name)));
    document.add(new Field("contents", stream, impactField()));
    return document;
  }

  private static FieldType impactField() {
    FieldType type = new FieldType();
    type.setTokenized(true);
    type.setOmitNorms(true);
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.freeze();
    return type;
  }
}
