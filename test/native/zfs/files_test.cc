// DatasetFiles: every promise of dataset_files.h.
#include <algorithm>
#include <map>

#include "fixture.h"

namespace ipfs_zfs::test {
namespace {

using FilesTest = PoolTest;

std::vector<std::string> names_in(DatasetFiles& files, const std::string& folder) {
  std::vector<std::string> names;
  auto entries = files.list(folder);
  EXPECT_OK(entries);
  if (!entries.ok()) return names;
  for (const DirEntry& entry : *entries) {
    names.push_back(entry.name + (entry.is_directory ? "/" : ""));
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST_F(FilesTest, KeepsWhatIsWrittenOverAReopen) {
  create();
  auto files = dataset("ds");
  auto file = files->create("blocks/256k.slots", 256 << 10);
  ASSERT_OK(file);
  const Bytes data = random_bytes(3 << 20, 1);
  auto txg = write_at(*files, *file, 0, data);
  ASSERT_OK(txg);
  EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
  ASSERT_OK(files->wait_durable(*txg));
  auto info = files->info(*file);
  ASSERT_OK(info);
  EXPECT_EQ(info->size_bytes, data.size());
  EXPECT_EQ(info->record_size_bytes, 256u << 10);
  EXPECT_GE(info->allocated_bytes, data.size());

  files.reset();
  reopen();
  auto again = pool_->open_files(name_ + "/ds");
  ASSERT_OK(again);
  auto found = (*again)->lookup("blocks/256k.slots");
  ASSERT_OK(found);
  EXPECT_EQ(*found, *file);
  EXPECT_EQ(read_at(**again, *found, 0, data.size()), data);
}

TEST_F(FilesTest, EveryRecordSizeWorks) {
  create();
  auto files = dataset("ds");
  for (uint32_t size = 4096; size <= (16u << 20); size *= 2) {
    auto file = files->create("f" + std::to_string(size), size);
    ASSERT_OK(file);
    const Bytes data = random_bytes(std::min<size_t>(size * 2 + 100, 20 << 20), size);
    ASSERT_OK(write_at(*files, *file, 0, data));
    EXPECT_EQ(read_at(*files, *file, 0, data.size()), data);
    EXPECT_EQ(files->info(*file)->record_size_bytes, size);
  }
  for (uint32_t bad : {0u, 1000u, 2048u, 32u << 20, 4096u + 512u}) {
    EXPECT_ERROR(files->create("bad", bad), ErrorCode::kInvalid);
  }
}

// Random writes, punches and truncations against a plain array of bytes.
TEST_F(FilesTest, BehavesLikeAnArrayOfBytes) {
  create();
  auto files = dataset("ds", {{"compression", "lz4"}});
  for (uint32_t record : {4096u, 131072u}) {
    auto file = files->create("model" + std::to_string(record), record);
    ASSERT_OK(file);
    Bytes model;
    std::mt19937 random(record);
    for (int step = 0; step < 150; ++step) {
      const uint64_t offset = random() % (record * 6);
      const uint64_t length = random() % (record * 3);
      const unsigned kind = random() % 10;
      if (kind < 6) {
        const Bytes data = random_bytes(length, step);
        ASSERT_OK(write_at(*files, *file, offset, data));
        if (length > 0 && model.size() < offset + length) model.resize(offset + length);
        std::copy(data.begin(), data.end(), model.begin() + std::min(offset, model.size()));
      } else if (kind < 8) {
        const FileOp punch{FileOp::Kind::kPunch, *file, offset, {}, length};
        ASSERT_OK(files->apply({&punch, 1}));
        for (uint64_t i = offset; i < std::min<uint64_t>(model.size(), offset + length); ++i) {
          model[i] = 0;
        }
      } else if (kind < 9) {
        ASSERT_OK(files->truncate(*file, offset));
        model.resize(offset);
      } else {
        ASSERT_OK(files->wait_durable(files->open_txg()));
      }
      ASSERT_EQ(files->info(*file)->size_bytes, model.size()) << "step " << step;
      Bytes padded = model;
      padded.resize(model.size() + record);  // past the end reads as zeros
      ASSERT_EQ(read_at(*files, *file, 0, padded.size()), padded) << "step " << step;
    }
  }
}

TEST_F(FilesTest, OneBatchOverSeveralFilesAndPieces) {
  create();
  auto files = dataset("ds");
  auto slots = files->create("slots", 65536);
  auto log = files->create("log", 131072);
  ASSERT_OK(slots);
  ASSERT_OK(log);
  const Bytes block = random_bytes(65536, 1), part = random_bytes(1000, 2);
  std::vector<Piece> block_pieces;
  for (size_t at = 0; at < block.size(); at += 1024) block_pieces.push_back({&block[at], 1024});
  std::vector<Piece> log_pieces;
  for (int i = 0; i < 200; ++i) log_pieces.push_back({part.data(), part.size()});
  log_pieces.insert(log_pieces.begin() + 7, Piece{nullptr, 0});
  std::vector<FileOp> ops;
  for (uint64_t slot : {5, 6, 1}) {
    ops.push_back({FileOp::Kind::kWrite, *slots, slot * 65536, block_pieces, 0});
  }
  ops.push_back({FileOp::Kind::kWrite, *log, 100, log_pieces, 0});
  ops.push_back({FileOp::Kind::kPunch, *slots, 5 * 65536, {}, 65536});
  auto txg = files->apply(ops);
  ASSERT_OK(txg);
  EXPECT_EQ(read_at(*files, *slots, 65536, 65536), block);
  EXPECT_EQ(read_at(*files, *slots, 6 * 65536, 65536), block);
  EXPECT_EQ(read_at(*files, *slots, 5 * 65536, 65536), Bytes(65536));
  EXPECT_EQ(files->info(*slots)->size_bytes, 7u * 65536);
  const Bytes logged = read_at(*files, *log, 100, 200 * 1000);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(std::equal(part.begin(), part.end(), logged.begin() + i * 1000)) << i;
  }
  EXPECT_EQ(read_at(*files, *log, 0, 100), Bytes(100));
  EXPECT_OK(files->apply({}));
}

TEST_F(FilesTest, ReadsOfABatchStandAlone) {
  create();
  auto files = dataset("ds");
  auto file = files->create("f", 131072);
  ASSERT_OK(file);
  const Bytes data = random_bytes(1 << 20, 3);
  ASSERT_OK(write_at(*files, *file, 0, data));
  std::mt19937 random(1);
  std::vector<Bytes> into(500);
  std::vector<ReadOp> reads(500);
  for (size_t i = 0; i < reads.size(); ++i) {
    const uint64_t offset = random() % (data.size() - 4096);
    into[i].resize(random() % 4096);
    reads[i] = {offset, into[i].size(), into[i].data(), false, ErrorCode::kIo};
  }
  ASSERT_OK(files->read(*file, reads));
  for (size_t i = 0; i < reads.size(); ++i) {
    ASSERT_TRUE(reads[i].ok);
    ASSERT_TRUE(std::equal(into[i].begin(), into[i].end(),
                           data.begin() + static_cast<long>(reads[i].offset_bytes)));
  }
  EXPECT_OK(files->read(*file, {}));
  EXPECT_ERROR(files->read(*file + 1000, reads), ErrorCode::kNotFound);
}

TEST_F(FilesTest, LimitsAreErrorsThatChangeNothing) {
  create();
  auto files = dataset("ds");
  auto file = files->create("f", 131072);
  ASSERT_OK(file);
  const Bytes much = random_bytes(files->apply_limit_bytes(), 1);
  ASSERT_OK(write_at(*files, *file, 0, much));
  EXPECT_EQ(read_at(*files, *file, 0, much.size()), much);
  const Piece pieces[2] = {{much.data(), much.size()}, {much.data(), 1}};
  const FileOp over{FileOp::Kind::kWrite, *file, 0, pieces, 0};
  EXPECT_ERROR(files->apply({&over, 1}), ErrorCode::kTooLarge);
  const std::vector<FileOp> many(4097, FileOp{FileOp::Kind::kPunch, *file, 0, {}, 1});
  EXPECT_ERROR(files->apply(many), ErrorCode::kTooLarge);
  const Piece one{much.data(), 1};
  const FileOp far{FileOp::Kind::kWrite, *file, ~uint64_t{0} - 5, {&one, 1}, 0};
  EXPECT_ERROR(files->apply({&far, 1}), ErrorCode::kInvalid);
  const FileOp nowhere{FileOp::Kind::kWrite, 99999, 0, {&one, 1}, 0};
  EXPECT_ERROR(files->apply({&nowhere, 1}), ErrorCode::kNotFound);
  EXPECT_EQ(files->info(*file)->size_bytes, much.size());
}

TEST_F(FilesTest, NamesAndFolders) {
  create();
  auto files = dataset("ds");
  ASSERT_OK(files->make_folder("a/b/c"));
  EXPECT_ERROR(files->make_folder("a/b/c"), ErrorCode::kExists);
  auto file = files->create("a/f1", 4096);
  ASSERT_OK(file);
  EXPECT_ERROR(files->create("a/f1", 4096), ErrorCode::kExists);
  EXPECT_ERROR(files->create("a/f1/x", 4096), ErrorCode::kInvalid);
  EXPECT_ERROR(files->create("", 4096), ErrorCode::kInvalid);
  EXPECT_ERROR(files->create("../x", 4096), ErrorCode::kInvalid);
  EXPECT_ERROR(files->create(std::string(256, 'n'), 4096), ErrorCode::kInvalid);
  ASSERT_OK(files->create(std::string(255, 'n'), 4096));
  EXPECT_EQ(names_in(*files, ""), (std::vector<std::string>{"a/", std::string(255, 'n')}));
  EXPECT_EQ(names_in(*files, "/a/"), (std::vector<std::string>{"b/", "f1"}));
  EXPECT_ERROR(files->list("nope"), ErrorCode::kNotFound);
  EXPECT_ERROR(files->list("a/f1"), ErrorCode::kInvalid);
  EXPECT_ERROR(files->lookup("a/b"), ErrorCode::kInvalid);
  EXPECT_ERROR(files->lookup("a/none"), ErrorCode::kNotFound);
  EXPECT_ERROR(files->unlink("a/b"), ErrorCode::kBusy);
  EXPECT_ERROR(files->unlink("a/none"), ErrorCode::kNotFound);
  ASSERT_OK(files->unlink("a/b/c"));
  ASSERT_OK(files->unlink("a/b"));
  ASSERT_OK(files->unlink("a/f1"));
  EXPECT_ERROR(files->info(*file), ErrorCode::kNotFound);
  EXPECT_EQ(names_in(*files, "a"), std::vector<std::string>{});
}

TEST_F(FilesTest, ManyFilesInOneFolder) {
  create();
  auto files = dataset("ds");
  for (int i = 0; i < 2000; ++i) {
    ASSERT_OK(files->create("d/file-with-a-longer-name-" + std::to_string(i), 4096));
  }
  EXPECT_EQ(names_in(*files, "d").size(), 2000u);
  for (int i = 0; i < 2000; i += 2) {
    ASSERT_OK(files->unlink("d/file-with-a-longer-name-" + std::to_string(i)));
  }
  EXPECT_EQ(names_in(*files, "d").size(), 1000u);
}

TEST_F(FilesTest, RenameMovesAndReplaces) {
  create();
  auto files = dataset("ds");
  auto a = files->create("x/a", 4096), b = files->create("y/b", 4096);
  ASSERT_OK(a);
  ASSERT_OK(b);
  ASSERT_OK(write_at(*files, *a, 0, random_bytes(5000, 1)));
  ASSERT_OK(write_at(*files, *b, 0, random_bytes(9000, 2)));
  ASSERT_OK(files->rename("x/a", "y/b"));
  EXPECT_EQ(*files->lookup("y/b"), *a);
  EXPECT_ERROR(files->lookup("x/a"), ErrorCode::kNotFound);
  EXPECT_ERROR(files->info(*b), ErrorCode::kNotFound);
  EXPECT_EQ(read_at(*files, *a, 0, 5000), random_bytes(5000, 1));
  ASSERT_OK(files->rename("y/b", "y/b"));
  ASSERT_OK(files->rename("y", "z"));
  ASSERT_OK(files->make_folder("z/inner"));
  EXPECT_ERROR(files->rename("z", "z/inner/z"), ErrorCode::kInvalid);
  EXPECT_ERROR(files->rename("z/inner", "z/b"), ErrorCode::kInvalid);
  EXPECT_ERROR(files->rename("z/b", "z/inner"), ErrorCode::kInvalid);
  EXPECT_ERROR(files->rename("none", "else"), ErrorCode::kNotFound);
  EXPECT_EQ(names_in(*files, "z"), (std::vector<std::string>{"b", "inner/"}));
  ASSERT_OK(files->rename("z/inner", "inner"));
  EXPECT_EQ(names_in(*files, ""), (std::vector<std::string>{"inner/", "x/", "z/"}));
}

TEST_F(FilesTest, ReplaceMakesTheFileExactlyTheContent) {
  create();
  auto files = dataset("ds", {{"compression", "lz4"}});
  for (size_t size : {100u, 0u, 700000u, 5u, 131072u, 131071u, 262144u}) {
    const Bytes content = random_bytes(size, size);
    const Piece halves[2] = {{content.data(), size / 2},
                             {content.data() + size / 2, size - size / 2}};
    ASSERT_OK(files->replace("conf/manifest", halves));
    auto file = files->lookup("conf/manifest");
    ASSERT_OK(file);
    EXPECT_EQ(files->info(*file)->size_bytes, size);
    Bytes padded = content;
    padded.resize(size + 300000);
    EXPECT_EQ(read_at(*files, *file, 0, padded.size()), padded);
  }
  const Bytes large((16 << 20) + 1);
  const Piece piece{large.data(), large.size()};
  EXPECT_ERROR(files->replace("conf/manifest", {&piece, 1}), ErrorCode::kTooLarge);
  EXPECT_ERROR(files->replace("conf", {}), ErrorCode::kInvalid);
}

TEST_F(FilesTest, PunchAndUnlinkGiveSpaceBack) {
  create();
  auto files = dataset("ds");
  auto file = files->create("f", 1 << 20);
  ASSERT_OK(file);
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(write_at(*files, *file, uint64_t(i) * (16 << 20), random_bytes(16 << 20, i)));
  }
  ASSERT_OK(files->wait_durable(files->open_txg()));
  const uint64_t full = files->info(*file)->allocated_bytes;
  EXPECT_GE(full, 64u << 20);
  const FileOp punch{FileOp::Kind::kPunch, *file, 0, {}, 32 << 20};
  ASSERT_OK(files->apply({&punch, 1}));
  ASSERT_OK(files->wait_durable(files->open_txg()));
  EXPECT_LE(files->info(*file)->allocated_bytes, full - (31u << 20));
  EXPECT_EQ(files->info(*file)->size_bytes, 64u << 20);
  EXPECT_EQ(read_at(*files, *file, 0, 1 << 20), Bytes(1 << 20));
  ASSERT_OK(files->unlink("f"));
  for (int i = 0; i < 4; ++i) ASSERT_OK(files->wait_durable(files->open_txg()));
  auto listed = pool_->list_datasets(name_ + "/ds");
  ASSERT_OK(listed);
  EXPECT_LE(listed->front().referenced_bytes, 1u << 20);
}

TEST_F(FilesTest, RecordPointerIsTheSha256OfRandomData) {
  create();
  auto files = dataset("ds", {{"checksum", "sha256"}, {"compression", "lz4"}});
  auto file = files->create("slots", 256 << 10);
  ASSERT_OK(file);
  const Bytes first = random_bytes(256 << 10, 1), second = random_bytes(256 << 10, 2);
  ASSERT_OK(write_at(*files, *file, 0, first));
  auto txg = write_at(*files, *file, 3 * (256 << 10), second);
  ASSERT_OK(txg);
  ASSERT_OK(write_at(*files, *file, 4 * (256 << 10), Bytes(256 << 10, 'z')));
  ASSERT_OK(files->wait_durable(*txg));
  auto pointer = files->record_pointer(*file, 0);
  ASSERT_OK(pointer);
  EXPECT_FALSE(pointer->is_hole);
  EXPECT_TRUE(pointer->is_sha256_of_data);
  EXPECT_EQ(Bytes(pointer->checksum.begin(), pointer->checksum.end()), sha256_of(first));
  auto third = files->record_pointer(*file, 3);
  ASSERT_OK(third);
  EXPECT_EQ(Bytes(third->checksum.begin(), third->checksum.end()), sha256_of(second));
  EXPECT_LE(third->birth_txg, *txg);
  EXPECT_GT(third->birth_txg, 0u);
  EXPECT_TRUE(files->record_pointer(*file, 1)->is_hole);
  EXPECT_TRUE(files->record_pointer(*file, 1000)->is_hole);
  EXPECT_FALSE(files->record_pointer(*file, 4)->is_sha256_of_data);  // it was compressed

  auto plain = files->create("one", 4096);
  ASSERT_OK(plain);
  EXPECT_TRUE(files->record_pointer(*plain, 0)->is_hole);
  const Bytes small = random_bytes(4096, 5);
  ASSERT_OK(write_at(*files, *plain, 0, small));
  ASSERT_OK(files->wait_durable(files->open_txg()));
  auto only = files->record_pointer(*plain, 0);
  EXPECT_EQ(Bytes(only->checksum.begin(), only->checksum.end()), sha256_of(small));
}

TEST_F(FilesTest, WaitDurableKnowsItsBounds) {
  create();
  auto files = dataset("ds");
  EXPECT_OK(files->wait_durable(0));
  EXPECT_OK(files->wait_durable(files->open_txg()));
  EXPECT_ERROR(files->wait_durable(files->open_txg() + 1000), ErrorCode::kInvalid);
}

TEST_F(FilesTest, CompressesButWhatIsSaidNotToCompress) {
  create();
  auto files = dataset("ds", {{"compression", "lz4"}});
  const std::vector<uint8_t> bytes(1 << 20, 'a');
  auto usual = files->create("usual", 16 << 10);
  auto digests = files->create_incompressible("digests", 16 << 10);
  ASSERT_OK(usual);
  ASSERT_OK(digests);
  ASSERT_OK(write_at(*files, *usual, 0, bytes));
  ASSERT_OK(write_at(*files, *digests, 0, bytes));
  ASSERT_OK(files->wait_durable(files->open_txg()));
  EXPECT_LT(files->info(*usual)->allocated_bytes, bytes.size() / 2);
  EXPECT_GE(files->info(*digests)->allocated_bytes, bytes.size());
}

TEST_F(FilesTest, ZdbSeesAPosixFileSystem) {
  if (!has_zdb()) GTEST_SKIP() << "set ZDB";
  create();
  auto files = dataset("ds");
  auto file = files->create("blocks/256k.slots", 256 << 10);
  ASSERT_OK(file);
  ASSERT_OK(write_at(*files, *file, 0, random_bytes(1 << 20, 1)));
  files.reset();
  ASSERT_OK(pool_->close());
  pool_.reset();
  const std::string dump = zdb(scratch_, name_ + "/ds", "-dddd");
  for (const char* part : {"[ZPL]", "ZFS master node", "ZFS delete queue", "blocks = ",
                           "256k.slots = ", "(type: Directory)", "(type: Regular File)",
                           "mode\t100644", "mode\t40755", "size\t1048576"}) {
    EXPECT_NE(dump.find(part), std::string::npos) << part << "\n" << dump;
  }
  const std::string root = zdb(scratch_, name_, "-d");
  EXPECT_NE(root.find("Dataset " + name_ + " [ZPL]"), std::string::npos) << root;
}

}  // namespace
}  // namespace ipfs_zfs::test
